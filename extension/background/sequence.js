/**
 * Jobs in the order they were given, one after another.
 *
 * Everything that reaches the log goes through one sequence. So an event that fires while a
 * snapshot is being taken follows it, and one that fires before the worker is ready waits.
 */

import { report } from "./report.js";

export class Sequence {
  /** @type {Promise<unknown>} */
  #tail = Promise.resolve();

  /**
   * Runs a job when all before it are done. A job that fails is reported and stops nothing.
   *
   * @param {() => unknown} job
   */
  run(job) {
    this.#tail = this.#tail.then(job).catch(report);
  }

  /** Settles when every job given so far is done. */
  idle() {
    return this.#tail;
  }
}
