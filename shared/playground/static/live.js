// The distribution of each chosen reward, asked for again and again while somebody can see it.

import { Refused, ask, json } from "./api.js";
import { bounds, histogram, worthShowing } from "./chart.js";
import { found, make } from "./elements.js";
import { shown } from "./numbers.js";
import { sentence } from "./refusal.js";
import { currentLanguage, say } from "./words.js";

/** @typedef {import("./rewards.js").Choice} Choice */
/** @typedef {import("./chart.js").Mark} Mark */

const EVERY_MS = 5000;
const SLOWEST_MS = 60_000;
const SECONDS = 10;
const MOST_POLLS = 240;
/** So many rounds without anybody doing anything: about twenty minutes. */

/** All distributions of the page. */
export class Live {
  /** @param {() => string} key */
  constructor(key) {
    this._key = key;
    this._place = found("live");
    this._paused = found("live-paused");
    /** @type {Choice[]} */
    this._choices = [];
    /** @type {Map<string, HTMLElement>} */
    this._figures = new Map();
    /** @type {Map<string, any>} */
    this._known = new Map();
    /** @type {Map<string, Mark[]>} */
    this._marks = new Map();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._clock = undefined;
    this._polls = 0;
    this._wait = EVERY_MS;
    this._asking = false;
    this._onceMore = false;
    document.addEventListener("visibilitychange", () => this._wake());
    found("live-resume").addEventListener("click", () => this.touch());
  }

  /** Show these, and no others. @param {Choice[]} choices */
  follow(choices) {
    this._choices = choices;
    const names = new Set(choices.map((choice) => choice.reward.name));
    for (const [name, figure] of this._figures) {
      if (names.has(name)) continue;
      figure.remove();
      this._figures.delete(name);
    }
    for (const choice of choices) {
      const { name } = choice.reward;
      const figure = this._figures.get(name) ?? make("figure", { "data-reward": name });
      this._figures.set(name, figure);
      this._place.append(figure);
    }
    this.touch();
  }

  /** Point at scores that were just given. @param {Choice} choice @param {Mark[]} marks */
  mark(choice, marks) {
    this._marks.set(choice.reward.name, marks);
    this._draw(choice);
    this.touch();
  }

  /** In another language. */
  redraw() {
    for (const choice of this._choices) this._draw(choice);
  }

  /** Somebody is here: ask now, and go on asking. */
  touch() {
    this._polls = 0;
    this._wait = EVERY_MS;
    this._wake();
  }

  _wake() {
    clearTimeout(this._clock);
    const spent = this._polls >= MOST_POLLS;
    this._paused.hidden = !spent;
    if (document.hidden || spent) return;
    void this._poll();
  }

  async _poll() {
    if (this._asking) {
      this._onceMore = true; // what is under way may not know the newest score
      return;
    }
    this._asking = true;
    this._onceMore = false;
    this._polls += 1;
    const answers = await Promise.all(this._choices.map((choice) => this._ask(choice)));
    this._asking = false;
    this._wait = answers.every(Boolean) ? EVERY_MS : Math.min(2 * this._wait, SLOWEST_MS);
    clearTimeout(this._clock);
    if (!document.hidden) this._clock = setTimeout(() => this._wake(), this._onceMore ? 0 : this._wait);
  }

  /** @param {Choice} choice @returns {Promise<boolean>} Whether it answered. */
  async _ask(choice) {
    try {
      const told = await ask(`${choice.reward.path}v1/distribution`, { key: this._key(), seconds: SECONDS }, json);
      this._known.set(choice.reward.name, told);
      this._draw(choice);
      return true;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this._draw(choice, error);
      return false;
    }
  }

  /** @param {Choice} choice @param {Refused} [refused] Why what is shown is not up to date. */
  _draw(choice, refused) {
    const { name } = choice.reward;
    const figure = this._figures.get(name);
    if (!figure) return;
    const told = this._known.get(name);
    const stale = refused ? make("p", { class: "note stale", text: say("live.stale", { why: sentence(refused) }) }) : null;
    figure.replaceChildren(.../** @type {Node[]} */ ([make("figcaption", {}, make("bdi", { text: name })), ...(told ? this._contents(choice, told) : []), stale].filter(Boolean)));
  }

  /** @param {Choice} choice @param {any} told @returns {Node[]} */
  _contents(choice, told) {
    const { name } = choice.reward;
    const marks = this._marks.get(name) ?? [];
    const buckets = worthShowing(told.buckets, choice.info?.range ?? null, marks);
    const { scored, failed, expired } = told.statuses;
    const time = new Date(told.since * 1000).toLocaleTimeString(currentLanguage() === "zh" ? "zh-CN" : "en-GB", { hour: "2-digit", minute: "2-digit" });
    if (!scored) return [make("p", { class: "note" }, make("span", { words: "live.none" }), " · ", make("span", { words: "live.since", values: { time } }))];
    const mean = told.mean === null ? "–" : shown(told.mean);
    const most = buckets.reduce((one, other) => (other.count > one.count ? other : one));
    return [
      histogram(buckets, marks, say("live.label", { name, scored, mean, most: bounds(most) })),
      make("p", { class: "note" }, make("span", { words: "live.facts", values: { scored: shown(scored), mean, missing: shown(failed + expired) } }), " · ", make("span", { words: "live.since", values: { time } })),
    ];
  }
}
