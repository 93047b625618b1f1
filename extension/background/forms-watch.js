/**
 * Whether forms are seen, and which tabs hold a touched one.
 *
 * The content script runs only where the user granted access to pages. It tells one bit. A page
 * that leaves says so where it can; where it cannot, its next page is asked.
 *
 * @import {Browser, FormMessage, Tab} from "../types"
 * @import {Tracker} from "./tracker.js"
 */

import { isOutside } from "./facts.js";
import { report } from "./report.js";
import { Sequence } from "./sequence.js";

const FILES = ["content/forms.js"];

/** @typedef {Pick<Browser, "now" | "mayReadPages" | "watchForms" | "unwatchForms" | "askForms">} Tools */

export class FormsWatch {
  /** @type {Tools} */
  #browser;
  /** @type {Tracker} */
  #tracker;
  /** The browser wants a script registered once; the start of a worker and a grant both do so. */
  #refreshes = new Sequence();
  /** The last question to a tab, while its answer counts. @type {Map<number, symbol>} */
  #asked = new Map();

  /**
   * @param {Tools} browser
   * @param {Tracker} tracker
   */
  constructor(browser, tracker) {
    this.#browser = browser;
    this.#tracker = tracker;
  }

  /**
   * Makes what is watched what is allowed, soon.
   *
   * @param {boolean} isNew whether the extension's session has just begun
   */
  refresh(isNew) {
    this.#refreshes.run(async () => {
      if (await this.#browser.mayReadPages()) await this.#browser.watchForms(FILES, isNew);
      else await this.#browser.unwatchForms();
    });
  }

  /**
   * A frame has told its bit. That one frame is clean says nothing of the others of its tab.
   *
   * @param {number} at
   * @param {Tab} tab
   * @param {FormMessage} message
   */
  told(at, tab, message) {
    if (isOutside(tab) || typeof message.touched !== "boolean") return;
    const id = /** @type {number} */ (tab.id);
    // An answer to a question from before knows nothing of it.
    if (message.touched) this.#asked.delete(id);
    if (!message.touched && this.#tracker.unsaved(id) === true) this.ask(id);
    else this.#tracker.formTold(at, id, message.touched);
  }

  /**
   * A page was loaded: whatever was touched before may be gone. `history.pushState` looks like a
   * load, so it is asked rather than taken for granted.
   *
   * @param {number} id
   */
  loaded(id) {
    if (this.#tracker.unsaved(id) === true) this.ask(id);
  }

  /** @param {number} id */
  ask(id) {
    const question = Symbol();
    this.#asked.set(id, question);
    this.#browser
      .askForms(id)
      .then((touched) => {
        if (this.#asked.get(id) !== question) return;
        this.#asked.delete(id);
        this.#tracker.formTold(this.#browser.now(), id, touched);
      })
      .catch(report);
  }
}
