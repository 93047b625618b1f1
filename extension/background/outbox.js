/**
 * Events on their way to the log.
 *
 * Each gets its number, is stored, and only then sent; it stays until the host has acknowledged
 * it, that is until it is in the log and synced. So neither the worker's death nor the host's
 * loses one, and the host knows one that comes twice by its number. What outlives the browser is
 * the log, not this.
 *
 * There is an end to what can be kept. A full outbox gives up all it holds at once and says so in
 * one place of the log, because a log with one known gap and a fresh snapshot after it is worth
 * more than one with holes all over.
 *
 * @import {EventBody, NumberedEvent} from "../types"
 * @import {Store} from "./store.js"
 */

import { report } from "./report.js";

const EVENT = "event:";
const LAST_N = "last_n";
const ACKNOWLEDGED_N = "acknowledged_n";

/** The most a message to the host carries, by `native-host/PROTOCOL.md`. */
const MESSAGE_EVENTS = 256;
const MESSAGE_BYTES = 512 * 1024;

/**
 * What is kept at most, in bytes of JSON. `storage.session` holds 10 MiB, the tabs' facts among them,
 * and Chromium counts for an event up to four times its JSON.
 */
export const KEPT_EVENTS = 20_000;
export const KEPT_BYTES = 2 * 1024 * 1024;

/**
 * @typedef {{ from: number, count: number, why: string }} Lost events that were given up
 *
 * @typedef {{ events: number, bytes: number }} Room what is kept at most
 *
 * @typedef {object} Item an event, or several that were given up, from `from` to `n`
 * @property {number} from
 * @property {number} n
 * @property {number} bytes
 * @property {NumberedEvent | null} event
 * @property {Lost | null} lost
 */

export class Outbox {
  /** @type {Item[]} in the order of their numbers, without gaps */
  #items = [];
  #bytes = 0;
  #lastN = 0;
  /** Up to here all is stored. */
  #storedN = 0;
  /** Up to here all was sent on the present channel. */
  #sentN = 0;
  /** @type {((message: object) => void) | null} */
  #post = null;
  #isStoring = false;
  /** @type {Store} */
  #store;
  /** @type {() => void} */
  #onLost;
  /** @type {Room} */
  #room;

  /**
   * @param {Record<string, unknown>} saved what the store held when the worker started
   * @param {Store} store
   * @param {() => void} onLost called when events were given up: a snapshot is due
   * @param {Room} [room]
   */
  constructor(saved, store, onLost, room = { events: KEPT_EVENTS, bytes: KEPT_BYTES }) {
    this.#store = store;
    this.#onLost = onLost;
    this.#room = room;
    this.#lastN = Number(saved[LAST_N] ?? 0);
    for (const [key, value] of Object.entries(saved)) {
      if (key.startsWith(EVENT)) this.#items.push(itemOf(Number(key.slice(EVENT.length)), value));
    }
    this.#items.sort((a, b) => a.n - b.n);
    this.#dropWhatWasGivenUp();
    this.#tellWhatWasNotStored(Number(saved[ACKNOWLEDGED_N] ?? 0));
    this.#bytes = this.#items.reduce((sum, item) => sum + item.bytes, 0);
    this.#lastN = Math.max(this.#lastN, this.#items.at(-1)?.n ?? 0);
    this.#storedN = this.#lastN;
  }

  /** How many events the host has not acknowledged. */
  get waiting() {
    return this.#items.filter(({ event }) => event !== null).length;
  }

  /** The number of the first event that the host has not acknowledged, or of the next to come. */
  get firstN() {
    return this.#items[0]?.from ?? this.#lastN + 1;
  }

  /**
   * Takes an event. It is sent when it is stored and there is a host.
   *
   * @param {number} at_ms
   * @param {EventBody} body
   */
  append(at_ms, body) {
    const { events, bytes } = this.#room;
    if (this.#items.length >= events || this.#bytes >= bytes) this.#giveUp("outbox_full");
    this.#lastN += 1;
    const item = itemOf(this.#lastN, { ...body, n: this.#lastN, at_ms });
    this.#items.push(item);
    this.#bytes += item.bytes;
    this.#store.put(EVENT + item.n, item.event);
    this.#store.put(LAST_N, this.#lastN);
    this.#storeAndSend().catch(report);
  }

  /**
   * There is a host, or its log is another one now: sends what it has not got.
   *
   * @param {number} lastN the highest number in its log, 0 for none
   * @param {(message: object) => void} post
   */
  open(lastN, post) {
    this.#post = post;
    if (lastN > this.#lastN) {
      // The log knows more than the store, which lost its counter. A number is used once.
      this.#lastN = lastN;
      this.#storedN = lastN;
      this.#store.put(LAST_N, lastN);
      this.#store.put(ACKNOWLEDGED_N, lastN);
    }
    // That the log has them does not say that they are synced: they stay until `ack`.
    this.sendAgain(lastN + 1);
  }

  /** The host is gone. */
  close() {
    this.#post = null;
  }

  /**
   * Sends again what the host says is missing.
   *
   * @param {number} expected the number it wants next
   */
  sendAgain(expected) {
    if (expected > this.#lastN + 1) {
      // Taken at its word, nothing would be sent any more and all would count as sent.
      throw new Error(`the host wants event ${expected}, the last one is ${this.#lastN}`);
    }
    const first = this.firstN;
    // A log that has nothing yet takes what comes; its past is in another log.
    if (expected > 1 && expected < first) {
      this.#insertLost({ from: expected, count: first - expected, why: "not_in_log" });
    }
    this.#sentN = expected - 1;
    this.#send();
  }

  /**
   * All up to this number is in the log and synced. What was not sent cannot be.
   *
   * @param {number} n
   */
  acknowledge(n) {
    const known = Math.min(n, this.#sentN);
    if (known < this.firstN) return;
    this.#remove(known);
    this.#store.put(ACKNOWLEDGED_N, known);
  }

  /** @param {number} n the last one to go */
  #remove(n) {
    const kept = this.#items.findIndex((item) => item.n > n);
    const gone = this.#items.splice(0, kept === -1 ? this.#items.length : kept);
    for (const item of gone) {
      this.#bytes -= item.bytes;
      this.#store.drop(EVENT + item.n);
    }
  }

  async #storeAndSend() {
    if (this.#isStoring) return;
    this.#isStoring = true;
    try {
      while (this.#storedN < this.#lastN) {
        const upTo = this.#lastN;
        try {
          await this.#store.written();
        } catch (error) {
          report(error);
          if (this.#items.length <= 1) return;
          this.#giveUp("storage_failed");
          continue;
        }
        this.#storedN = Math.max(this.#storedN, upTo);
        this.#send();
      }
    } finally {
      this.#isStoring = false;
    }
  }

  #send() {
    /** @type {NumberedEvent[]} */
    let events = [];
    let bytes = 0;
    const flush = () => {
      if (events.length > 0) this.#post?.({ type: "events", events });
      events = [];
      bytes = 0;
    };
    for (const item of this.#items) {
      if (this.#post === null || item.n > this.#storedN) break;
      if (item.n <= this.#sentN) continue;
      if (item.event === null) {
        flush();
        this.#post({ type: "lost", ...item.lost });
      } else {
        if (events.length === MESSAGE_EVENTS || bytes + item.bytes > MESSAGE_BYTES) flush();
        events.push(item.event);
        bytes += item.bytes;
      }
      this.#sentN = item.n;
    }
    flush();
  }

  /**
   * Gives up everything that waits.
   *
   * @param {string} why
   */
  #giveUp(why) {
    const from = this.#items[0]?.from;
    if (from === undefined) return;
    this.#remove(this.#lastN);
    this.#insertLost({ from, count: this.#lastN - from + 1, why });
    this.#sentN = Math.min(this.#sentN, this.#lastN - 1);
    this.#onLost();
  }

  /** @param {Lost} lost */
  #insertLost(lost) {
    const n = lost.from + lost.count - 1;
    const item = itemOf(n, lost);
    this.#items.unshift(item);
    this.#bytes += item.bytes;
    this.#store.put(EVENT + n, lost);
  }

  /** Removes what a worker gave up and did not live to remove. */
  #dropWhatWasGivenUp() {
    const lost = this.#items.filter((item) => item.lost !== null);
    this.#items = this.#items.filter((item) => {
      const isCovered = lost.some((l) => l !== item && l.from <= item.from && item.n <= l.n);
      if (isCovered) this.#store.drop(EVENT + item.n);
      return !isCovered;
    });
  }

  /**
   * A write can fail of which the worker does not live to hear, while later ones succeed.
   *
   * @param {number} acknowledged
   */
  #tellWhatWasNotStored(acknowledged) {
    let next = acknowledged + 1;
    this.#items = this.#items.flatMap((item) => {
      const from = next;
      const count = item.from - from;
      next = item.n + 1;
      if (count <= 0) return [item];
      return [itemOf(item.from - 1, { from, count, why: "storage_failed" }), item];
    });
  }
}

/**
 * @param {number} n
 * @param {unknown} stored
 * @returns {Item}
 */
function itemOf(n, stored) {
  const bytes = JSON.stringify(stored).length;
  if (typeof stored === "object" && stored !== null && "count" in stored) {
    const lost = /** @type {Lost} */ (stored);
    return { from: lost.from, n, bytes, event: null, lost };
  }
  return { from: n, n, bytes, event: /** @type {NumberedEvent} */ (stored), lost: null };
}
