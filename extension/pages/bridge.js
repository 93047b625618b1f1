/**
 * The browser as the pages see it: the one module of theirs that calls `chrome.*`.
 *
 * @import {Question, Refusal, Reply} from "../types"
 */

import { refusalText } from "./words.js";

/** Pages of these can hold forms; the same as in the manifest. */
const PAGES = ["http://*/*", "https://*/*"];

/** What the worker or the host refused. */
export class Refused extends Error {
  /** @param {Refusal} refusal it says what to do about it, too */
  constructor(refusal) {
    super(refusalText(refusal));
    this.code = refusal.code;
    this.field = refusal.field ?? null;
  }
}

/**
 * Asks the worker, which the browser starts if it sleeps.
 *
 * @template T
 * @param {Question} question
 * @returns {Promise<T>}
 */
export async function ask(question) {
  /** @type {Reply<T>} */
  const reply = await chrome.runtime.sendMessage(question);
  if ("error" in reply) throw new Refused(reply.error);
  return reply.ok;
}

/**
 * The title of a tab. It is shown here and goes nowhere else.
 *
 * @param {number} id
 * @returns {Promise<string | null>} null where there is no such tab
 */
export async function titleOf(id) {
  try {
    return (await chrome.tabs.get(id)).title ?? "";
  } catch {
    return null;
  }
}

/**
 * The loaded tabs that were not looked at for the longest, with their titles, which are shown here
 * and go nowhere else.
 *
 * @param {number} count
 * @returns {Promise<{ id: number, title: string }[]>}
 */
export async function longestUnused(count) {
  const tabs = await chrome.tabs.query({ active: false, discarded: false });
  return tabs
    .filter(({ id, status }) => id !== undefined && status !== "unloaded")
    .sort((a, b) => (a.lastAccessed ?? 0) - (b.lastAccessed ?? 0))
    .slice(0, count)
    .map(({ id, title }) => ({ id: /** @type {number} */ (id), title: title ?? "" }));
}

/**
 * Brings a tab to the front, which loads it again.
 *
 * @param {number} id
 */
export async function bringBack(id) {
  const tab = await chrome.tabs.update(id, { active: true });
  if (tab !== undefined) await chrome.windows.update(tab.windowId, { focused: true });
}

/**
 * Asks the user for access to pages. To be called from a click, with nothing awaited before it.
 *
 * @returns {Promise<boolean>}
 */
export function requestPages() {
  return chrome.permissions.request({ origins: PAGES });
}

/** Gives the access to pages back. */
export function giveUpPages() {
  return chrome.permissions.remove({ origins: PAGES });
}

export function extensionId() {
  return chrome.runtime.id;
}

export function openOptions() {
  return chrome.runtime.openOptionsPage();
}
