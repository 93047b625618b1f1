/**
 * Carries out the host's orders, unless the browser says that a guard holds.
 *
 * It is no second policy: it only refuses, from the browser's own answer at the last moment, what
 * a hard guard of the engine forbids, in the engine's words. The log the engine decided on is
 * milliseconds old, and in a millisecond a tab can be brought to the front. Orders are carried out
 * one after another.
 *
 * @import {Browser, DiscardOrder, Emit, Tab} from "../types"
 * @import {Intents, OrderId} from "./intents.js"
 * @import {Tracker} from "./tracker.js"
 */

import { isDiscarded, pageOf } from "./facts.js";
import { Sequence } from "./sequence.js";

/** A page that is frozen or busy does not answer; what it said before is taken then. */
const FORM_ANSWER_MS = 300;

/** How long a discard is waited for. The host waits 30 s for its outcome. */
const DISCARD_MS = 20_000;

/** How long a new worker waits for the events that the death of the last one held up. */
const INHERITED_MS = 1_000;

/** The host gives one order at a time. One that gives many more is out of its mind. */
const MOST_WAITING = 16;

/** Orders that are remembered, so that one that comes twice is carried out once. */
const MOST_REMEMBERED = 64;

/** @typedef {Pick<Browser, "now" | "setTimeout" | "clearTimeout" | "tab" | "isShown" | "discard" | "reload" | "askForms">} Tools */

/** @typedef {Pick<Tracker, "host" | "unsaved">} Known what the browser has told of its tabs */

export class Executor {
  #orders = new Sequence();
  #waiting = 0;
  /** The last orders. @type {Set<OrderId>} */
  #given = new Set();
  /** @type {Tools} */
  #browser;
  /** @type {Intents} */
  #intents;
  /** @type {Known} */
  #known;
  /** @type {Emit} */
  #emit;

  /**
   * @param {Tools} browser
   * @param {Intents} intents
   * @param {Known} known
   * @param {Emit} emit
   */
  constructor(browser, intents, known, emit) {
    this.#browser = browser;
    this.#intents = intents;
    this.#known = known;
    this.#emit = emit;
  }

  /** @param {DiscardOrder} order */
  discard(order) {
    const id = `${order.log} ${order.decision}`;
    if (this.#given.has(id)) return;
    if (this.#waiting >= MOST_WAITING) {
      throw new Error(`${MOST_WAITING} orders wait, order ${order.decision} is passed over`);
    }
    this.#given.add(id);
    const [oldest = id] = this.#given;
    if (this.#given.size > MOST_REMEMBERED) this.#given.delete(oldest);
    this.#waiting += 1;
    // A host that was restarted may know only what its log calls the page's host.
    const host = order.host ?? this.#known.host(order.tab);
    this.#orders.run(async () => {
      try {
        await this.#carryOut(id, { ...order, host });
      } finally {
        this.#waiting -= 1;
      }
    });
  }

  /** Finds out what became of the orders of a worker that died. */
  settleInherited() {
    const inherited = this.#intents.inherited();
    if (inherited.length === 0) return;
    this.#orders.run(async () => {
      await new Promise((resolve) => {
        this.#browser.setTimeout(() => resolve(undefined), INHERITED_MS);
      });
      // Asked for anew: by now the tabs may have got their new ids.
      for (const { order, decision, tab, now } of this.#intents.inherited()) {
        const found = await this.#find(now);
        const ok = found !== null && isDiscarded(found);
        this.#tell(order, { decision, tab }, ok ? null : "WORKER_STOPPED");
      }
    });
  }

  /** Settles when every order given so far is carried out. */
  idle() {
    return this.#orders.idle();
  }

  /**
   * @param {OrderId} id
   * @param {DiscardOrder} order
   */
  async #carryOut(id, order) {
    if (this.#intents.has(id)) return;
    const discarded = await this.#discard(id, order).catch((/** @type {Error} */ error) => error.message);
    if (typeof discarded === "string") {
      this.#tell(id, order, discarded);
      return;
    }
    this.#tell(id, order, null);
    // It came into sight between the question and the call: the user is looking at nothing.
    if (await this.#browser.isShown(discarded)) {
      await this.#browser.reload(/** @type {number} */ (discarded.id));
    }
  }

  /**
   * Discards the tab of an order, and returns it as it is then, or why it was not discarded.
   *
   * @param {OrderId} id
   * @param {DiscardOrder} order
   * @returns {Promise<Tab | string>}
   */
  async #discard(id, order) {
    try {
      await this.#intents.begin(id, order.decision, order.tab);
    } catch {
      // Not stored, so a discard could not be told as ours.
      return "NOT_STORED";
    }
    const touched = await this.#formTouched(this.#intents.tabOf(id));
    const tab = this.#intents.tabOf(id);
    const found = await this.#find(tab);
    const why = found === null ? "GONE" : await this.#guard(found, order.host, touched);
    if (why !== null) return why;
    this.#intents.calling(id);
    const after = await this.#within(DISCARD_MS, this.#browser.discard(tab));
    return after?.discarded ? after : "NOT_DISCARDED";
  }

  /**
   * The guard that holds, if one does.
   *
   * @param {Tab} tab
   * @param {string | null} host where the decision left the tab; null where that is not known
   * @param {boolean} touched
   * @returns {Promise<string | null>}
   */
  async #guard(tab, host, touched) {
    const page = pageOf(tab.url);
    if (tab.incognito) return "PRIVATE";
    if (await this.#browser.isShown(tab)) return "ACTIVE";
    if (tab.pinned) return "PINNED";
    if (tab.audible) return "AUDIBLE";
    if (isDiscarded(tab)) return "DISCARDED";
    if (tab.status === "loading" || tab.pendingUrl) return "LOADING";
    if (tab.autoDiscardable === false) return "NOT_AUTO_DISCARDABLE";
    if (page === undefined || page.host === null) return "INTERNAL";
    if (host !== null && page.host !== host) return "CHANGED";
    if (touched) return "UNSAVED";
    return null;
  }

  /**
   * What the page has said of its forms, or says now.
   *
   * @param {number} id
   */
  async #formTouched(id) {
    if (this.#known.unsaved(id) === true) return true;
    const answer = await this.#within(FORM_ANSWER_MS, this.#browser.askForms(id));
    // It may have told while it was asked.
    return answer === true || this.#known.unsaved(id) === true;
  }

  /**
   * What the browser answers in a time; null where it does not.
   *
   * @template T
   * @param {number} ms
   * @param {Promise<T>} answer
   * @returns {Promise<T | null>}
   */
  async #within(ms, answer) {
    /** @type {unknown} */
    let timer;
    /** @type {Promise<null>} */
    const silence = new Promise((resolve) => {
      timer = this.#browser.setTimeout(() => resolve(null), ms);
    });
    try {
      return await Promise.race([answer, silence]);
    } finally {
      this.#browser.clearTimeout(timer);
    }
  }

  /**
   * @param {number} id
   * @returns {Promise<Tab | null>}
   */
  async #find(id) {
    return this.#browser.tab(id).catch(() => null);
  }

  /**
   * @param {OrderId} id
   * @param {{ decision: number, tab: number }} order
   * @param {string | null} why it was not discarded; null where it was
   */
  #tell(id, { decision, tab }, why) {
    const ok = why === null;
    this.#intents.done(id, ok);
    this.#emit(this.#browser.now(), {
      type: "discard_outcome",
      decision,
      tab,
      ok,
      ...(ok ? {} : { why }),
    });
  }
}
