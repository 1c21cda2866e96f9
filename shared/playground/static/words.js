// The page's words in two languages. What shows words carries their key, so that it can be put into the other language.

import { words as en } from "./words-en.js";
import { words as zh } from "./words-zh.js";

/** @typedef {"zh" | "en"} Language */

const STORED = "zhufu.language";
/** @type {Record<Language, Record<string, string>>} */
const all = { zh, en };
/** @type {Language} */
let language = firstLanguage();

/** @returns {Language} */
export function currentLanguage() {
  return language;
}

/**
 * @param {string} key
 * @param {Record<string, string | number>} [values] Put in place of {name}.
 * @returns {string}
 */
export function say(key, values = {}) {
  const text = all[language][key];
  if (text === undefined) throw new Error(`no words for ${key}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** @param {string} key @returns {boolean} */
export function hasWords(key) {
  return Object.hasOwn(all.zh, key);
}

/**
 * Change to a language, remember it, and put all that the page shows into it.
 * @param {Language} chosen
 */
export function choose(chosen) {
  language = chosen;
  remember(chosen);
  show();
}

/** Put the whole page into the current language. */
export function show() {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  document.title = `${say("title")} · zhufu 祝福`;
  const marked = "[data-words], [data-words-label], [data-words-placeholder]";
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(marked))) translate(element);
}

/** @param {HTMLElement} element */
export function translate(element) {
  const { words, wordsLabel, wordsPlaceholder, values } = element.dataset;
  const given = values ? JSON.parse(values) : {};
  if (words) element.textContent = say(words, given);
  if (wordsLabel) element.setAttribute("aria-label", say(wordsLabel, given));
  if (wordsPlaceholder) element.setAttribute("placeholder", say(wordsPlaceholder, given));
}

/** @returns {Language} */
function firstLanguage() {
  const remembered = recall();
  if (remembered) return remembered;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** @returns {Language | null} */
function recall() {
  try {
    const kept = localStorage.getItem(STORED);
    return kept === "zh" || kept === "en" ? kept : null;
  } catch {
    return null; // a browser may keep storage closed
  }
}

/** @param {Language} chosen */
function remember(chosen) {
  try {
    localStorage.setItem(STORED, chosen);
  } catch {
    // then it is not remembered
  }
}
