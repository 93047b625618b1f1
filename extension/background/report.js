/**
 * Where failures go that nobody waits for.
 *
 * To the worker's console, which the browser shows under the extension's "Errors": there is no
 * other place, since nothing leaves the machine.
 */

/** @param {unknown} error */
export function report(error) {
  console.error("tab-orchestrator:", error);
}
