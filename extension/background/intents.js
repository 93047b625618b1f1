/**
 * Discards that are ours: who is about to discard which tab, stored before it is done.
 *
 * Chromium gives a discarded tab a new id, and tells of it by events that may come before or
 * after the answer to the call. An intent follows its tab through that, so that each discard in
 * the log says truly whether it was ours, and a worker that dies in the middle finds out at its
 * next start what became of the order.
 *
 * @import {Store} from "./store.js"
 */

const INTENT = "intent:";

/**
 * How long an intent waits for the browser to tell of the discard it announced. Firefox says
 * nothing where it ignored the call; a later discard must not be taken for ours then.
 */
const CLAIM_MS = 10_000;

/**
 * @typedef {string} OrderId a log and a decision's seq in it, which begins anew with each
 *
 * @typedef {object} Intent
 * @property {OrderId} order
 * @property {number} decision its seq
 * @property {number} tab the id in the decision
 * @property {number} now the id the tab has now
 * @property {"stored" | "called" | "done"} stage "called" is never stored: after a worker's death
 * "stored" means that the call may have been made
 * @property {boolean} claimed whether the browser has told of the discard
 * @property {number} at_ms when the last stage was reached
 */

export class Intents {
  /** @type {Map<OrderId, Intent>} */
  #intents = new Map();
  /** @type {Set<OrderId>} those of a worker that is dead */
  #inherited = new Set();
  /** @type {Store} */
  #store;
  /** @type {() => number} */
  #now;

  /**
   * @param {Record<string, unknown>} saved what the store held when the worker started
   * @param {Store} store
   * @param {() => number} now
   */
  constructor(saved, store, now) {
    this.#store = store;
    this.#now = now;
    for (const [key, value] of Object.entries(saved)) {
      if (!key.startsWith(INTENT)) continue;
      const intent = /** @type {Intent} */ (value);
      this.#intents.set(intent.order, intent);
      if (intent.stage !== "done") this.#inherited.add(intent.order);
    }
  }

  /**
   * Stores the intent to discard a tab. Settles when it is stored.
   *
   * @param {OrderId} order
   * @param {number} decision
   * @param {number} tab
   */
  async begin(order, decision, tab) {
    const at_ms = this.#now();
    this.#keep({ order, decision, tab, now: tab, stage: "stored", claimed: false, at_ms });
    await this.#store.written();
  }

  /**
   * The call is being made now.
   *
   * @param {OrderId} order
   */
  calling(order) {
    const intent = this.#intents.get(order);
    if (intent !== undefined) intent.stage = "called";
  }

  /**
   * The outcome is known and told in the same turn, so both are stored or neither.
   *
   * @param {OrderId} order
   * @param {boolean} ok whether the tab was discarded
   */
  done(order, ok) {
    const intent = this.#intents.get(order);
    if (intent === undefined) return;
    this.#inherited.delete(order);
    if (!ok || intent.claimed) this.#forget(order);
    else this.#keep({ ...intent, stage: "done", at_ms: this.#now() });
  }

  /**
   * A tab got another id.
   *
   * @param {number} old
   * @param {number} id
   */
  renamed(old, id) {
    for (const intent of this.#intents.values()) {
      if (intent.now === old) this.#keep({ ...intent, now: id });
    }
  }

  /**
   * A tab was discarded: whether that was ours.
   *
   * @param {number} tab
   */
  claim(tab) {
    for (const intent of this.#intents.values()) {
      if (intent.now !== tab || intent.claimed) continue;
      if (intent.stage === "done") {
        this.#forget(intent.order);
        if (this.#now() - intent.at_ms <= CLAIM_MS) return true;
      } else if (intent.stage === "called" || this.#inherited.has(intent.order)) {
        this.#keep({ ...intent, claimed: true });
        return true;
      }
    }
    return false;
  }

  /**
   * Whether an order is being carried out, or was by a worker that is dead.
   *
   * @param {OrderId} order
   */
  has(order) {
    return this.#intents.has(order);
  }

  /**
   * The id that the tab of an order has now.
   *
   * @param {OrderId} order
   */
  tabOf(order) {
    const intent = this.#intents.get(order);
    if (intent === undefined) throw new Error(`no intent for order ${order}`);
    return intent.now;
  }

  /** The intents of a worker that died before it knew the outcome. */
  inherited() {
    return [...this.#intents.values()].filter(({ order }) => this.#inherited.has(order));
  }

  /** @param {Intent} intent */
  #keep(intent) {
    this.#intents.set(intent.order, intent);
    // "called" is true of this worker only; one that comes after it cannot know.
    const stage = intent.stage === "called" ? "stored" : intent.stage;
    this.#store.put(INTENT + intent.order, { ...intent, stage });
  }

  /** @param {OrderId} order */
  #forget(order) {
    this.#intents.delete(order);
    this.#store.drop(INTENT + order);
  }
}
