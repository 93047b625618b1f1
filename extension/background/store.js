/**
 * What must outlive the worker, kept in `storage.session`.
 *
 * Writes of one turn go out together: what an event changes and the event itself are stored by
 * one call, or not at all. The call is made within that turn, and never waits for the one before
 * it: a worker can be stopped at any moment, and all it had asked of the browser till then is done.
 * The browser does what it is asked in the order in which it is asked.
 *
 * The area lives in memory, outlives the worker and dies with the browser; it holds 10 MB.
 *
 * @import {StorageArea} from "../types"
 */

/** Stands for a key that is to go. Nothing else is stored as null. */
const GONE = null;

export class Store {
  /** @type {StorageArea} */
  #area;
  /** @type {Map<string, unknown>} what this turn says */
  #pending = new Map();
  #isScheduled = false;
  /** @type {Set<Map<string, unknown>>} what is being written, without what was said anew since */
  #batches = new Set();
  /** @type {Set<Promise<void>>} */
  #writes = new Set();

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
  async written() {
    this.#schedule();
    await Promise.all(this.#writes);
  }

  #schedule() {
    if (this.#isScheduled || this.#pending.size === 0) return;
    this.#isScheduled = true;
    const write = Promise.resolve().then(() => this.#write());
    this.#writes.add(write);
    // Who waits for it hears of a failure; that nobody waits is no failure of its own.
    write.catch(() => undefined).finally(() => this.#writes.delete(write));
  }

  async #write() {
    this.#isScheduled = false;
    const batch = this.#pending;
    this.#pending = new Map();
    for (const earlier of this.#batches) {
      for (const key of batch.keys()) earlier.delete(key);
    }
    this.#batches.add(batch);
    try {
      // One call, so that a worker that dies has stored all of it or nothing. What goes is emptied
      // by it, which frees its room for the rest; that its key goes, too, is mere tidiness.
      await this.#area.set(Object.fromEntries(batch));
      const gone = [...batch.keys()].filter((key) => batch.get(key) === GONE);
      if (gone.length > 0) await this.#area.remove(gone);
    } catch (error) {
      for (const [key, value] of batch) {
        if (!this.#pending.has(key)) this.#pending.set(key, value);
      }
      throw error;
    } finally {
      this.#batches.delete(batch);
    }
  }
}
