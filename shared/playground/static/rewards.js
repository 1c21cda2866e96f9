// Who scores: the rewards that can be asked, with the options that each of them takes.

import { Refused, ask, json } from "./api.js";
import { make } from "./elements.js";
import { sentence, wordsFor } from "./refusal.js";
import { hasWords } from "./words.js";

/** @typedef {import("./api.js").Reward} Reward */

/**
 * @typedef {object} RewardInfo
 * @property {string} version
 * @property {string} description
 * @property {{minimum: number | null, maximum: number | null}} range
 * @property {Record<string, any>} options JSON schema of each.
 * @property {boolean} streams
 */

const SECONDS = 10;
// What a reward that streams takes for samples only, which the page does not draw; and what the page says itself.
const OF_SAMPLES = new Set(["task", "transcript", "candidates", "temperature", "seed", "pair_by", "least_margin", "length", "tolerance"]);
const SAID_BY_PAGE = new Set(["group_size"]);

/** One reward in the list of those that can be chosen. */
export class Choice {
  /**
   * @param {Reward} reward
   * @param {boolean} own Whether it is of the service that the page came from.
   */
  constructor(reward, own) {
    this.reward = reward;
    /** @type {RewardInfo | null} */
    this.info = null;
    this.own = own;
    this._box = make("input", { type: "checkbox", id: `reward-${reward.name}`, checked: own });
    this._state = make("p", { class: "about" });
    this._details = make("details", { class: "options", hidden: true });
    /** @type {Map<string, HTMLSelectElement | HTMLInputElement | HTMLInputElement[]>} */
    this._controls = new Map();
    this.element = make(
      "div",
      { class: "choice" },
      make("label", { for: this._box.id }, this._box, " ", make("bdi", { class: "name", text: reward.name }), " ", own ? make("span", { class: "tag", words: "rewards.own" }) : null),
      this._state,
      this._details,
    );
  }

  get chosen() {
    return this._box.checked;
  }

  set chosen(value) {
    this._box.checked = value;
  }

  /** @param {() => void} changed */
  onChange(changed) {
    this._box.addEventListener("change", changed);
  }

  /**
   * Ask what it is, as far as that is not known.
   * @param {string} key
   */
  async introduce(key) {
    if (this.info) return;
    this._state.replaceChildren(make("span", { words: "rewards.loading" }));
    try {
      this.info = await ask(`${this.reward.path}v1/reward`, { key, seconds: SECONDS }, json);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const again = make("button", { class: "plain small", type: "button", words: "rewards.again" });
      again.addEventListener("click", () => void this.introduce(key));
      this._state.replaceChildren(make("span", { words: wordsFor(error), values: { status: error.status } }), " ", error.status === 401 ? "" : again);
      return;
    }
    this._state.replaceChildren();
    this._tell(this.info?.description ?? "", this.info?.options ?? {});
  }

  /**
   * The options that are set to something else than the service has.
   * @returns {Record<string, unknown>}
   */
  options() {
    /** @type {Record<string, unknown>} */
    const chosen = {};
    for (const [name, control] of this._controls) {
      if (Array.isArray(control)) {
        const checked = control.filter((box) => box.checked).map((box) => box.value);
        if (checked.length) chosen[name] = checked;
      } else if (control.value !== "" && control.checkValidity()) {
        chosen[name] = control.dataset.number ? Number(control.value) : control.dataset.boolean ? control.value === "true" : control.value;
      }
    }
    return chosen;
  }

  /** @param {string} description @param {Record<string, any>} schemas */
  _tell(description, schemas) {
    const rows = [];
    for (const [name, whole] of Object.entries(schemas)) {
      if (SAID_BY_PAGE.has(name) || (this.info?.streams && OF_SAMPLES.has(name))) continue;
      const row = this._row(name, whole.anyOf?.find((/** @type {any} */ part) => part.type !== "null") ?? whole);
      if (row) rows.push(row);
    }
    this._details.hidden = false;
    this._details.replaceChildren(make("summary", { words: "rewards.about" }), make("p", { class: "about", lang: "en", dir: "auto", text: description }), ...rows);
  }

  /** @param {string} name @param {any} schema @returns {HTMLElement | null} */
  _row(name, schema) {
    const id = `option-${this.reward.name}-${name}`;
    const label = named(`option.${name}`, name);
    if (schema.type === "array" && schema.items?.enum) {
      const boxes = schema.items.enum.map((/** @type {string} */ value) => make("input", { type: "checkbox", value }));
      this._controls.set(name, boxes);
      const words = schema.items.enum.map((/** @type {string} */ value, /** @type {number} */ index) =>
        make("label", { class: "inline" }, boxes[index], " ", make("span", named(`agent.${value}`, value))));
      return make("fieldset", { class: "option" }, make("legend", label), make("div", { class: "row" }, ...words));
    }
    const control = controlOf(id, name, schema);
    if (!control) return null;
    this._controls.set(name, control);
    return make("div", { class: "option" }, make("label", { for: id, ...label }), control);
  }
}

/** @param {string} id @param {string} name @param {any} schema */
function controlOf(id, name, schema) {
  if (schema.enum || schema.type === "boolean") {
    const values = schema.enum ?? ["true", "false"];
    const choices = values.map((/** @type {string} */ value) => make("option", { value, ...named(`option.${name}.${value}`, value) }));
    return make("select", { id, "data-boolean": schema.type === "boolean" }, make("option", { value: "", words: "rewards.default" }), ...choices);
  }
  if (schema.type === "integer" || schema.type === "number") {
    return make("input", { id, type: "number", min: schema.minimum, max: schema.maximum, step: schema.type === "integer" ? 1 : "any", "data-number": true, hint: "rewards.default" });
  }
  if (schema.type === "string") return make("input", { id, type: "text", maxlength: schema.maxLength ?? 256, spellcheck: "false", hint: "rewards.default" });
  return null;
}

/** @param {string} key @param {string} otherwise */
function named(key, otherwise) {
  return hasWords(key) ? { words: key } : { text: otherwise };
}
