/**
 * What must outlive the worker, kept in `storage.session`.
 *
 * Writes of one turn go out together: what an event changes and the event itself are stored by
 * one call, or not at all. The area lives in memory, outlives the worker and dies with the
 * browser; it holds 10 MB.
 *
 * @import {StorageArea} from "../types"
 */

/** Stands for a key that is to go. Nothing else is stored as null. */
const GONE = null;

export class Store {
  /** @type {StorageArea} */
  #area;
  /** @type {Map<string, unknown>} */
  #pending = new Map();
  /** @type {Promise<void> | null} */
  #writing = null;
  /** @type {Promise<void> | null} */
  #next = null;

  /** @param {StorageArea} area */
  constructor(area) {
    this.#area = area;
  }

  /** Reads all that is stored. */
  async load() {
    const all = Object.entries(await this.#area.get());
    return Object.fromEntries(all.filter(([, value]) => value !== GONE));
  }

  /**
   * Stores a value soon. It is turned into JSON then, not now.
   *
   * @param {string} key
   * @param {unknown} value
   */
  put(key, value) {
    this.#pending.set(key, value);
    this.#schedule();
  }

  /**
   * Removes a key soon.
   *
   * @param {string} key
   */
  drop(key) {
    this.#pending.set(key, GONE);
    this.#schedule();
  }

  /** Settles when everything put and dropped so far is written; rejects when it could not be. */
  written() {
    return this.#schedule();
  }

  /** @returns {Promise<void>} */
  #schedule() {
    if (this.#next !== null) return this.#next;
    if (this.#pending.size === 0) return this.#writing ?? Promise.resolve();
    const before = this.#writing;
    // One write at a time: the last word on a key must be the last one written.
    const next = Promise.resolve(before?.catch(() => undefined)).then(() => {
      this.#next = null;
      this.#writing = next;
      return this.#write();
    });
    // Who waits for it hears of a failure; that nobody waits is no failure of its own.
    next.catch(() => undefined);
    this.#next = next;
    return next;
  }

  async #write() {
    const batch = this.#pending;
    this.#pending = new Map();
    const gone = [...batch.keys()].filter((key) => batch.get(key) === GONE);
    try {
      // One call, so that a worker that dies has stored all of it or nothing. What goes is emptied
      // by it, which frees its room for the rest; that its key goes, too, is mere tidiness.
      await this.#area.set(Object.fromEntries(batch));
      if (gone.length > 0) await this.#area.remove(gone);
    } catch (error) {
      for (const [key, value] of batch) {
        if (!this.#pending.has(key)) this.#pending.set(key, value);
      }
      throw error;
    }
  }
}
