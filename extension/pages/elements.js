/**
 * Small helpers for pages. Text goes in by `textContent` only.
 *
 * @import {ConnectionState} from "../types"
 */

import { isTrouble } from "./words.js";

/**
 * The element with this id.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {{ new (): T }} [type] what it must be
 * @returns {T}
 */
export function element(id, type = /** @type {any} */ (HTMLElement)) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return found;
}

/**
 * Makes an element with a text.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {{ text?: string, class?: string }} [options]
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, options = {}) {
  const made = document.createElement(tag);
  if (options.text !== undefined) made.textContent = options.text;
  if (options.class !== undefined) made.className = options.class;
  return made;
}

/**
 * Sets a text if it is another one, so that screen readers hear only what changed.
 *
 * @param {HTMLElement} target
 * @param {string} text
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * Shows the state of the connection as a dot, beside the words for it.
 *
 * @param {HTMLElement} dot
 * @param {ConnectionState | null} state null where the worker itself does not answer
 */
export function showDot(dot, state) {
  dot.classList.toggle("trouble", state === null || isTrouble(state));
  dot.classList.toggle("waiting", state === "connecting");
}

/** What lists show, as JSON of their lines. @type {WeakMap<HTMLElement, string>} */
const shown = new WeakMap();

/**
 * Draws a list, and only if its lines are other ones: what is drawn anew loses the selection, and
 * screen readers hear it again.
 *
 * @template T
 * @param {HTMLElement} list
 * @param {T[]} lines
 * @param {(line: T) => HTMLElement} draw
 * @returns {boolean} whether it was drawn
 */
export function drawList(list, lines, draw) {
  const json = JSON.stringify(lines);
  if (shown.get(list) === json) return false;
  shown.set(list, json);
  list.replaceChildren(...lines.map(draw));
  return true;
}

/**
 * A time of the day, or a date where it is another day.
 *
 * @param {number} ms
 */
export function timeText(ms) {
  const time = new Date(ms);
  const isToday = time.toDateString() === new Date().toDateString();
  return isToday
    ? time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
    : time.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}
