// The agents' debate as it unfolds: who is thinking, and what each has said. What they say is shown as text.

import { make } from "./elements.js";
import { shown } from "./numbers.js";
import { revealed } from "./text.js";
import { hasWords } from "./words.js";

/**
 * @typedef {object} StepEvent
 * @property {"asked" | "answered" | "failed"} state
 * @property {string} step
 * @property {number} round
 * @property {any} [answer]
 * @property {string} [error]
 * @property {string} [note]
 */

const SIDE_BY_SIDE = ["positive", "negative"];

/** All rounds of one evaluation. */
export class Debate {
  constructor() {
    this.element = make("div", { class: "debate" });
    /** @type {Map<number, {element: HTMLElement, pair: HTMLElement}>} */
    this._rounds = new Map();
    /** @type {Map<string, HTMLElement>} */
    this._steps = new Map();
  }

  /**
   * Show a step as it is now.
   * @param {StepEvent} event
   */
  take(event) {
    const id = `${event.round}/${event.step}`;
    let step = this._steps.get(id);
    if (!step) {
      step = make("section", { class: "agent", "data-step": event.step, "data-round": event.round });
      this._steps.set(id, step);
      const round = this._round(event.round);
      if (SIDE_BY_SIDE.includes(event.step)) round.pair.append(step);
      else round.element.append(step);
      // whoever was asked first may answer last: the positive agent stands first all the same
      round.pair.append(...[...round.pair.children].sort((one, other) => place(one) - place(other)));
    }
    step.dataset.state = event.state;
    step.replaceChildren(headOf(event), ...contents(event));
  }

  /** @param {number} number */
  _round(number) {
    const known = this._rounds.get(number);
    if (known) return known;
    const pair = make("div", { class: "pair" });
    const title = number > 1 ? make("h5", { class: "round-title", words: "debate.round", values: { n: number } }) : null;
    const round = { element: make("div", { class: "round" }, title, number > 0 ? pair : null), pair };
    this._rounds.set(number, round);
    this.element.append(round.element);
    return round;
  }
}

/** @param {Element} step */
function place(step) {
  return SIDE_BY_SIDE.indexOf(/** @type {HTMLElement} */ (step).dataset.step ?? "");
}

/** Who it is, and the verdict where it gave one. @param {StepEvent} event */
function headOf({ step, answer }) {
  const head = make("div", { class: "agent-head" }, make("h5", named("agent", step)));
  if (typeof answer?.reason === "string") {
    const verdict = answer.verdict ? 1 : 0;
    head.append(make("span", { class: `verdict-word v${verdict}`, words: `verdict.${verdict}` }));
    if (answer.reevaluate === true) head.append(make("span", { class: "tag", words: "agent.reevaluate" }));
  }
  return head;
}

/** @param {StepEvent} event @returns {HTMLElement[]} */
function contents(event) {
  if (event.state === "asked") return [make("p", { class: "thinking", words: "debate.asked" })];
  if (event.state === "failed") {
    return [make("p", { class: "failure" }, make("span", { words: "debate.failed" }), " ", make("code", { text: event.error ?? "" }))];
  }
  return [...answered(event), ...notes(event.note)];
}

/** @param {StepEvent} event @returns {HTMLElement[]} */
function answered({ step, answer }) {
  if (step === "retrieval" && Array.isArray(answer)) return [examples(answer)];
  if (step === "positive" && Array.isArray(answer?.merits)) return [points("merit", answer.merits, "agent.positive.none")];
  if (step === "negative" && Array.isArray(answer?.flaws)) return [points("flaw", answer.flaws, "agent.negative.none")];
  if (typeof answer?.reason === "string") return [revealed("p", answer.reason)];
  return [revealed("p", JSON.stringify(answer))];
}

/** @param {any[]} found */
function examples(found) {
  const items = found.map((each) =>
    make(
      "li",
      {},
      revealed("p", String(each?.prompt ?? ""), "asked-for"),
      revealed("p", String(each?.completion ?? "")),
      Number.isFinite(each?.similarity) ? make("span", { class: "note", text: shown(each.similarity) }) : null,
    ));
  return make("details", {}, make("summary", { words: "agent.retrieval.found", values: { n: found.length } }), make("ol", { class: "examples" }, ...items));
}

/** @param {"merit" | "flaw"} kind @param {any[]} found @param {string} none */
function points(kind, found, none) {
  if (!found.length) return make("p", { class: "note", words: none });
  const items = found.map((each) => make("li", {}, make("span", { class: "aspect", ...named(kind, String(each?.aspect)) }), revealed("span", String(each?.why ?? ""))));
  return make("ul", { class: `points ${kind}s` }, ...items);
}

/** @param {string | undefined} note @returns {HTMLElement[]} */
function notes(note) {
  return note ? note.split(", ").map((each) => make("p", { class: "pipeline-note", ...named("note", each) })) : [];
}

/** @param {string} kind @param {string} word */
function named(kind, word) {
  return hasWords(`${kind}.${word}`) ? { words: `${kind}.${word}` } : { text: word };
}
