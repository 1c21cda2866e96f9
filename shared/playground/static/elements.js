// Elements are made here and nowhere else. Text goes in as text: no string ever becomes markup.

import { translate } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {object} Made
 * @property {string} [class]
 * @property {string} [text] Shown as it is.
 * @property {string} [words] Key of the words that it shows, in whichever language is chosen.
 * @property {Record<string, string | number>} [values] What is put into the words.
 * @property {string} [label] Key of the words of its aria-label.
 * @property {string} [hint] Key of the words of its placeholder.
 */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Made & Record<string, unknown>} [made] Besides those of `Made`: attributes; false and null leave one out.
 * @param {...(Node | string | null | undefined)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, made = {}, ...children) {
  const element = document.createElement(tag);
  const { class: names, text, words, values, label, hint, ...attributes } = made;
  if (names) element.className = names;
  if (text !== undefined) element.textContent = text;
  if (words) element.dataset.words = words;
  if (label) element.dataset.wordsLabel = label;
  if (hint) element.dataset.wordsPlaceholder = hint;
  if (values) element.dataset.values = JSON.stringify(values);
  setAttributes(element, attributes);
  if (words || label || hint) translate(element);
  append(element, children);
  return element;
}

/**
 * @param {string} tag
 * @param {Record<string, unknown>} [attributes]
 * @param {...(Node | string)} children
 * @returns {SVGElement}
 */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  setAttributes(element, attributes);
  append(element, children);
  return element;
}

/**
 * The element of the page with an id; the page always has it.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function found(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

/**
 * @param {string} id
 * @returns {HTMLInputElement}
 */
export function input(id) {
  return /** @type {HTMLInputElement} */ (found(id));
}

/** @param {Element} element @param {Record<string, unknown>} attributes */
function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? "" : String(value));
  }
}

/** @param {Element} element @param {(Node | string | null | undefined)[]} children */
function append(element, children) {
  element.append(...children.filter((child) => child !== null && child !== undefined));
}
