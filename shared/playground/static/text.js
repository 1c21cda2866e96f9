// Text that somebody else wrote: a policy, an agent, an attacker. It is shown as it is, and what hides in it is named.

import { make } from "./elements.js";

const SYMBOL = "(?:\\p{Extended_Pictographic}|\\p{Regional_Indicator})[\\ufe0e\\ufe0f\\u{1f3fb}-\\u{1f3ff}]{0,2}";
// An emoji's own joiners, selectors and tags; and joiners that Arabic, Indic, Burmese, Khmer and Mongolian are spelt with.
const HONEST = [
  `${SYMBOL}(?:\\u200d${SYMBOL}){0,8}(?:[\\u{e0030}-\\u{e007a}]{3,6}\\u{e007f})?`,
  "[0-9#*]\\ufe0f\\u20e3",
  "(?<=[\\u0620-\\u07ff\\u0900-\\u0dff\\u1000-\\u109f\\u1780-\\u18af])[\\u200c\\u200d\\u180b-\\u180e]",
].join("|");
const HIDDEN = [
  "\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f",
  "\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u2800\\u3164\\ud800-\\udfff\\ue000-\\uf8ff\\ufdd0-\\ufdef\\ufe00-\\ufe0f\\ufeff",
  "\\uffa0\\ufff0-\\ufffb\\ufffe\\uffff\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}\\u{f0000}-\\u{10ffff}",
].join("");
const PARTS = new RegExp(`(${HONEST})|([${HIDDEN}])`, "gu");

/** @type {Record<number, string>} */
const NAMES = {
  0x00ad: "SHY", 0x061c: "ALM", 0x200b: "ZWSP", 0x200c: "ZWNJ", 0x200d: "ZWJ", 0x200e: "LRM", 0x200f: "RLM",
  0x202a: "LRE", 0x202b: "RLE", 0x202c: "PDF", 0x202d: "LRO", 0x202e: "RLO", 0x2060: "WJ", 0x2066: "LRI",
  0x2067: "RLI", 0x2068: "FSI", 0x2069: "PDI", 0xfeff: "BOM",
};

/**
 * How many characters of a text are hidden, or turn the direction of writing.
 * @param {string} text
 * @returns {number}
 */
export function hiddenIn(text) {
  let count = 0;
  for (const part of text.matchAll(PARTS)) if (part[2] !== undefined) count += 1;
  return count;
}

/**
 * As people count characters: an emoji of several parts is one.
 * @param {string} text
 * @returns {number}
 */
export function lengthOf(text) {
  return [...new Intl.Segmenter("zh", { granularity: "grapheme" }).segment(text)].length;
}

/**
 * A text in an element that nothing in it can leave: no markup, no direction of writing. Hidden characters stand there by
 * their names, and so do nothing.
 * @param {"p" | "span" | "blockquote" | "dd"} tag
 * @param {string} text
 * @param {string} [names] Classes.
 * @returns {HTMLElement}
 */
export function revealed(tag, text, names = "") {
  const element = make(tag, { class: `foreign ${names}`.trim(), dir: "auto" });
  let end = 0;
  for (const part of text.matchAll(PARTS)) {
    if (part[2] === undefined) continue;
    const code = /** @type {number} */ (part[2].codePointAt(0));
    const number = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
    element.append(text.slice(end, part.index), make("span", { class: "hidden-sign", text: NAMES[code] ?? number, title: number }));
    end = part.index + part[2].length;
  }
  element.append(text.slice(end));
  return element;
}
