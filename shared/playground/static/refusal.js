// Why there is no answer, in words, and when another try may be made. Nothing is tried again by itself.

import { Refused } from "./api.js";
import { make } from "./elements.js";
import { revealed } from "./text.js";
import { hasWords, say, translate } from "./words.js";

const TICK_MS = 1000;
/** The same request would be refused again. */
const FOR_GOOD = new Set([400, 404, 405, 413, 415, 422]);

/**
 * The key of the words for a failure; those with ".note" behind it tell more.
 * @param {Refused} refused
 * @returns {string}
 */
export function wordsFor(refused) {
  if (refused.kind !== "refused") return `refused.${refused.kind}`;
  return hasWords(`refused.${refused.status}`) ? `refused.${refused.status}` : "refused.other";
}

/**
 * A failure in a sentence.
 * @param {Refused} refused
 * @returns {string}
 */
export function sentence(refused) {
  return say(wordsFor(refused), { status: refused.status });
}

/**
 * @param {Refused} refused
 * @param {number} seconds How long was waited at most.
 * @param {() => void} again What another try does.
 * @returns {HTMLElement}
 */
export function refusalView(refused, seconds, again) {
  const words = wordsFor(refused);
  const mild = refused.kind === "stopped" || refused.status === 429 || refused.status === 503;
  const view = make(
    "div",
    { class: `notice ${mild ? "mild" : "bad"}`, "data-kind": refused.kind, "data-status": refused.status || null },
    make("p", { class: "notice-title", words, values: { status: refused.status } }),
    make("p", { words: `${words}.note`, values: { n: seconds } }),
  );
  if (refused.detail) view.append(revealed("p", refused.detail, "told"));
  if (refused.fields.length) {
    const items = refused.fields.map(({ field, message }) => make("li", {}, revealed("span", `${field}: ${message}`)));
    view.append(make("ul", { class: "told" }, ...items));
  }
  if (refused.requestId) view.append(make("p", { class: "request-id" }, make("span", { words: "refused.id" }), " ", make("code", { text: refused.requestId })));
  if (!FOR_GOOD.has(refused.status)) view.append(make("p", {}, againButton(again, refused.retryAfter ?? 0)));
  return view;
}

/**
 * A button for another try; it can be pressed once the service wants to be asked again.
 * @param {() => void} again
 * @param {number} [wait] Seconds.
 * @returns {HTMLButtonElement}
 */
export function againButton(again, wait = 0) {
  const button = make("button", { class: "plain again", type: "button" });
  let left = wait;
  const show = () => {
    const waits = left > 0;
    button.setAttribute("aria-disabled", String(waits));
    button.dataset.words = waits ? "again.in" : "again";
    button.dataset.values = JSON.stringify({ n: left });
    translate(button);
  };
  show();
  if (left > 0) {
    const clock = setInterval(() => {
      left -= 1;
      show();
      if (left <= 0) clearInterval(clock);
    }, TICK_MS);
  }
  button.addEventListener("click", () => {
    if (left <= 0) again();
  });
  return button;
}
