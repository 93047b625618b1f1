/**
 * Which browser session this is.
 *
 * The id is made at the browser's start and lives in `storage.session`, so it tells a worker that
 * woke from one that starts with the browser. The host keeps one trace for each.
 *
 * @import {Machine} from "../types"
 * @import {Store} from "./store.js"
 */

const KEY = "session";

/**
 * @param {Record<string, unknown>} saved what the store held when the worker started
 * @param {Store} store
 * @param {Machine} machine
 * @returns {{ id: string, isNew: boolean }}
 */
export function openSession(saved, store, machine) {
  const known = saved[KEY];
  if (typeof known === "string") return { id: known, isNew: false };
  const id = machine.uuid();
  store.put(KEY, id);
  return { id, isNew: true };
}
