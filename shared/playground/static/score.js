// One greeting's outcome by one reward: a score with all that belongs to it, or why there is none.

import { make } from "./elements.js";
import { shown, shownReward, shownSeconds } from "./numbers.js";
import { againButton } from "./refusal.js";
import { revealed } from "./text.js";
import { hasWords } from "./words.js";

/** @typedef {import("./api.js").Score} Score */
/** @typedef {import("./rewards.js").RewardInfo} RewardInfo */

/**
 * @param {Score} score
 * @param {RewardInfo | null} info
 * @param {() => void} again
 * @returns {HTMLElement}
 */
export function scoreView(score, info, again) {
  const scored = score.status === "scored" && score.reward !== null;
  return make(
    "div",
    { class: "outcome", "data-status": score.status },
    scored ? rewardView(score, info) : failureView(score, again),
    flagsView(score.flags ?? []),
    score.reason ? make("div", { class: "reason" }, make("h5", { words: "reason" }), revealed("blockquote", score.reason)) : null,
    componentsView(score.components ?? {}),
    costView(score),
  );
}

/** @param {Score} score @param {RewardInfo | null} info */
function rewardView(score, info) {
  const reward = /** @type {number} */ (score.reward);
  const low = info?.range?.minimum ?? null;
  const high = info?.range?.maximum ?? null;
  const bounded = low !== null && high !== null && high > low;
  const range = bounded ? { words: "reward.range", values: { low: shown(low), high: shown(high) } } : { words: "reward.unbounded" };
  const gauge = make("div", { class: "gauge", "aria-hidden": "true" }, make("span"));
  if (bounded) {
    const share = Math.min(1, Math.max(0, (reward - low) / (high - low)));
    /** @type {HTMLElement} */ (gauge.firstChild).style.width = `${100 * share}%`;
  }
  return make(
    "div",
    { class: "reward" },
    make("p", { class: "figure" }, make("span", { class: "unseen", words: "reward" }), " ", make("span", { class: "number", text: shownReward(reward) })),
    verdictView(score.verdict),
    bounded ? gauge : null,
    make("p", { class: "range", ...(info ? range : { text: "" }) }),
  );
}

/** @param {0 | 1 | null | undefined} verdict */
function verdictView(verdict) {
  if (verdict !== 0 && verdict !== 1) return null;
  return make("p", { class: `seal v${verdict}` }, make("span", { words: `verdict.${verdict}`, label: `verdict.${verdict}.label`, role: "img" }));
}

/** @param {Score} score @param {() => void} again */
function failureView(score, again) {
  const { code = "", detail = "", retryable = false } = score.error ?? {};
  return make(
    "div",
    { class: "notice bad" },
    make("p", { class: "figure" }, make("span", { class: "none", words: "reward.none" })),
    make("p", { class: "notice-title" }, make("span", { words: score.status === "expired" ? "expired.title" : "failed.title" }), " ", make("code", { text: code })),
    make("p", {}, make("span", { words: "failed.note" }), " ", make("span", { words: retryable ? "failed.retryable" : "failed.final" })),
    revealed("p", detail, "told"),
    retryable ? make("p", {}, againButton(again)) : null,
  );
}

/** @param {string[]} flags */
function flagsView(flags) {
  if (!flags.length) return null;
  const items = flags.map((flag) => make("li", hasWords(`flag.${flag}`) ? { words: `flag.${flag}` } : { text: flag }));
  return make("div", { class: "flags" }, make("h5", { words: "flags" }), make("ul", {}, ...items));
}

/** @param {Record<string, number>} components */
function componentsView(components) {
  const names = Object.keys(components);
  if (!names.length) return null;
  const rows = names.map((name) =>
    make(
      "div",
      {},
      make("dt", hasWords(`component.${name}`) ? { words: `component.${name}`, title: name } : { text: name }),
      make("dd", { text: shown(components[name]) }),
    ));
  return make("div", { class: "components" }, make("h5", { words: "components" }), make("dl", {}, ...rows));
}

/** @param {Score} score */
function costView(score) {
  const { usage, cached, latency_seconds: seconds } = score;
  return make(
    "p",
    { class: "cost" },
    make("span", { words: "latency", values: { n: shownSeconds(seconds) } }),
    usage ? make("span", { words: "tokens", values: { prompt: shown(usage.prompt_tokens), completion: shown(usage.completion_tokens) } }) : null,
    cached ? make("span", { words: "cached" }) : null,
  );
}
