// One reward's answer to what was asked: for one greeting, or for two side by side.

import { Refused, ask, checkedScore, json, refusedBy } from "./api.js";
import { Debate } from "./debate.js";
import { make } from "./elements.js";
import { eventsOf } from "./events.js";
import { shownReward } from "./numbers.js";
import { refusalView } from "./refusal.js";
import { scoreView } from "./score.js";

/** @typedef {import("./api.js").Score} Score */
/** @typedef {import("./rewards.js").Choice} Choice */

/**
 * What is asked of every reward that was chosen.
 * @typedef {object} Job
 * @property {string} prompt
 * @property {string[]} completions One, or two to be compared.
 * @property {() => string} key
 * @property {number} seconds
 * @property {AbortSignal} signal
 * @property {(card: Card) => void} told Called when a card shows another outcome.
 */

const SPARE_SECONDS = 2;
const LETTERS = ["a", "b"];

/** A reward's card; `start` asks. */
export class Card {
  /** @param {Choice} choice @param {Job} job */
  constructor(choice, job) {
    this.choice = choice;
    this._job = job;
    this._options = choice.options();
    // A relayed request is bounded on its way, too; its refusal tells more than this page's own patience.
    this._seconds = job.seconds + (choice.own ? 0 : SPARE_SECONDS);
    /** What came of each greeting; null while it is waited for. @type {(Score | Refused | null)[]} */
    this.outcomes = job.completions.map(() => null);
    this._sides = job.completions.map(() => make("section", { class: "side" }));
    this._place = make("div", { class: "sides", "data-count": this._sides.length }, ...this._sides);
    this._version = make("p", { class: "version" });
    this._difference = make("p", { class: "difference", hidden: true });
    this.element = make(
      "article",
      { class: "card", "data-reward": choice.reward.name, "aria-busy": "true" },
      make("header", {}, make("h3", {}, make("bdi", { text: choice.reward.name })), this._version),
      this._place,
      this._difference,
    );
  }

  /** @returns {Promise<void>} */
  async start() {
    if (this.choice.info?.streams) {
      await Promise.all(this._sides.map((_, index) => this._watch(index)));
    } else {
      await this._ask();
    }
  }

  /** All greetings in one request: the reward may compare them. */
  async _ask() {
    const { prompt, completions, signal } = this._job;
    this.outcomes.forEach((_, index) => this._wait(index));
    const together = completions.length > 1 ? { group: randomName(), metadata: { group_size: completions.length } } : {};
    const rollouts = completions.map((completion, index) => ({ id: LETTERS[index], prompt, completion, ...together }));
    try {
      const asking = { key: this._job.key(), seconds: this._seconds, signal, body: { rollouts, options: this._options } };
      const answer = await ask(`${this.choice.reward.path}v1/score`, asking, json);
      if (!Array.isArray(answer.scores) || answer.scores.length !== rollouts.length) throw new Refused("broken");
      const scores = answer.scores.map(checkedScore);
      scores.forEach((/** @type {Score} */ score, /** @type {number} */ index) => this._scored(index, score, () => void this._ask()));
    } catch (error) {
      this._failed(completions.map((_, index) => index), error, () => void this._ask());
    }
  }

  /** One greeting, step by step. @param {number} index */
  async _watch(index) {
    const { prompt, completions, signal } = this._job;
    const debate = new Debate();
    this._wait(index, debate);
    const rollout = { id: LETTERS[index], prompt, completion: completions[index] };
    const again = () => void this._watch(index);
    try {
      const asking = { key: this._job.key(), seconds: this._seconds, signal, body: { rollout, options: this._options } };
      const score = await ask(`${this.choice.reward.path}v1/evaluate`, asking, async (answer) => {
        if (!answer.body) throw new Refused("broken");
        for await (const { name, data } of eventsOf(answer.body)) {
          const told = JSON.parse(data);
          if (name === "step") debate.take(told);
          else if (name === "score") return checkedScore(told);
          else if (name === "problem") throw refusedBy(told, Number(told.status) || 0);
        }
        throw new Refused("broken"); // it ended without a score
      });
      this._scored(index, score, again, debate);
    } catch (error) {
      this._failed([index], error, again, debate);
    }
  }

  /** @param {number} index @param {Debate} [debate] */
  _wait(index, debate) {
    this.outcomes[index] = null;
    this.element.setAttribute("aria-busy", "true");
    this._place.replaceChildren(...this._sides);
    this._show(index, [waitingView(this._job.signal), debate?.element]);
  }

  /** @param {number} index @param {Score} score @param {() => void} again @param {Debate} [debate] */
  _scored(index, score, again, debate) {
    this.outcomes[index] = score;
    this._show(index, [scoreView(score, this.choice.info, again), debate?.element]);
    this._tell();
  }

  /** @param {number[]} indices @param {unknown} error @param {() => void} again @param {Debate} [debate] */
  _failed(indices, error, again, debate) {
    const refused = error instanceof Refused ? error : new Refused("broken");
    for (const index of indices) this.outcomes[index] = refused;
    const view = refusalView(refused, this._job.seconds, again);
    if (indices.length > 1) this._place.replaceChildren(view); // one answer for both
    else this._show(indices[0], [view, debate?.element]);
    this._tell();
  }

  /** @param {number} index @param {(Node | undefined)[]} contents */
  _show(index, contents) {
    const side = this._sides[index];
    const letter = this._sides.length > 1 ? make("h4", { words: `side.${LETTERS[index]}` }) : null;
    side.replaceChildren(.../** @type {Node[]} */ ([letter, ...contents].filter(Boolean)));
  }

  _tell() {
    const scores = /** @type {Score[]} */ (this.outcomes.filter((each) => each !== null && !(each instanceof Refused)));
    const versions = [...new Set(scores.map((score) => score.version))];
    this._version.replaceChildren(...versions.map((version) => make("code", { text: version })));
    const done = this.outcomes.every((each) => each !== null);
    if (done) this.element.removeAttribute("aria-busy");
    this._difference.hidden = !(done && this.outcomes.length > 1);
    if (!this._difference.hidden) this._difference.replaceChildren(differenceView(scores, versions.length));
    this._job.told(this);
  }
}

/** @param {Score[]} scores @param {number} versions */
function differenceView(scores, versions) {
  const [a, b] = scores;
  if (scores.length < 2 || a.reward === null || b.reward === null) return make("span", { words: "difference.missing" });
  if (versions > 1) return make("span", { words: "difference.versions" });
  const difference = a.reward - b.reward;
  if (difference === 0) return make("span", { words: "difference.none" });
  return make("strong", { words: difference > 0 ? "difference.a" : "difference.b", values: { n: shownReward(Math.abs(difference)) } });
}

/** @param {AbortSignal} signal */
function waitingView(signal) {
  const seconds = make("span", { class: "elapsed", "aria-hidden": "true" });
  const begun = performance.now();
  const clock = setInterval(() => {
    if (!seconds.isConnected || signal.aborted) clearInterval(clock);
    else seconds.textContent = `${Math.round((performance.now() - begun) / 1000)} s`;
  }, 1000);
  return make("p", { class: "waiting" }, make("span", { class: "pulse", "aria-hidden": "true" }), make("span", { words: "waiting" }), " ", seconds);
}

/** A group of this request alone. */
function randomName() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
