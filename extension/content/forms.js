/**
 * Watches whether a form in this page was touched, and tells that one bit: never what was typed,
 * nor where.
 *
 * Runs in every frame of the pages the user granted access to, as a plain script. "Touched" means
 * that a discard would lose something: a text that is not what it was, a box that was ticked, a
 * file that was chosen. It stays touched when a field is removed, because the next step of a form
 * often removes the one before. It is clean again when all texts are what they were, or when the
 * form was sent or reset.
 */

(() => {
  const MARK = "tabOrchestratorFormsAreWatched";
  const world = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (globalThis));
  // The script is put into open pages when access is granted, and comes with each load after that.
  if (world[MARK]) return;
  world[MARK] = true;

  /** Nothing is lost with these: a search can be asked again, a password is not kept here. */
  const HARMLESS = new Set(["search", "password", "hidden", "button", "submit", "reset", "image"]);
  /** What can be ticked or chosen. It has no text to compare with. */
  const CHOICES = new Set(["checkbox", "radio", "file", "range", "color"]);

  /** Texts as they were before the user's first change. @type {Map<Element, string>} */
  const before = new Map();
  /** Fields that were ticked or chosen. @type {Set<Element>} */
  const changed = new Set();
  /** Whether a touched field was removed from the page. */
  let removed = false;
  let told = false;

  /** @param {EventTarget | undefined | null} target @returns {Element | null} */
  function fieldOf(target) {
    if (!(target instanceof Element)) return null;
    const editable = /** @type {HTMLElement} */ (target).isContentEditable;
    if (editable) return target.closest("[contenteditable]") ?? target;
    const field = target.closest("input, textarea, select");
    return field !== null && HARMLESS.has(/** @type {HTMLInputElement} */ (field).type)
      ? null
      : field;
  }

  /** @param {Element} field */
  function isChoice(field) {
    return field.matches("select") || CHOICES.has(/** @type {HTMLInputElement} */ (field).type);
  }

  /** @param {Element} field */
  function textOf(field) {
    return field.matches("input, textarea")
      ? /** @type {HTMLInputElement} */ (field).value
      : (field.textContent ?? "");
  }

  /** Notes which touched fields are no longer there. */
  function sweep() {
    for (const [field, text] of before) {
      if (field.isConnected) continue;
      before.delete(field);
      removed ||= textOf(field) !== text;
    }
    for (const field of changed) {
      if (field.isConnected) continue;
      changed.delete(field);
      removed = true;
    }
  }

  function isTouched() {
    sweep();
    return removed || changed.size > 0 || [...before].some(([field, text]) => textOf(field) !== text);
  }

  function tell() {
    const touched = isTouched();
    if (touched === told) return;
    told = touched;
    send(touched);
  }

  /** @param {boolean} touched */
  function send(touched) {
    try {
      chrome.runtime.sendMessage({ touched }).catch(() => undefined);
    } catch {
      // The extension was reloaded or removed; this copy of the script is left behind.
    }
  }

  /** @param {Event} event */
  const target = (event) => fieldOf(event.composedPath()[0]);

  addEventListener(
    "beforeinput",
    (event) => {
      const field = target(event);
      if (field !== null && !isChoice(field) && !before.has(field)) before.set(field, textOf(field));
    },
    true,
  );

  for (const type of ["input", "change"]) {
    addEventListener(
      type,
      (event) => {
        const field = event.isTrusted ? target(event) : null;
        if (field === null) return;
        // Dates and numbers change without `beforeinput`, so what was there before is not known.
        // What the browser filled in it can fill in again.
        if (!before.has(field) && !field.matches(":autofill")) changed.add(field);
        tell();
      },
      true,
    );
  }

  for (const type of ["submit", "reset"]) {
    addEventListener(
      type,
      (event) => {
        const form = event.target;
        if (!(form instanceof HTMLFormElement)) return;
        for (const field of [...before.keys(), ...changed]) {
          const owner = /** @type {HTMLInputElement} */ (field).form ?? field.closest("form");
          if (owner !== form) continue;
          before.delete(field);
          changed.delete(field);
        }
        // Fields that were removed belong to no form any more: they were its earlier steps.
        sweep();
        removed = false;
        tell();
      },
      true,
    );
  }

  // A page that empties its field after sending, as chats do, gives no event for that.
  document.addEventListener("visibilitychange", tell);
  // A page that goes: its forms go with it, unless the browser keeps it for the way back.
  addEventListener("pagehide", () => {
    if (told) send(false);
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted && told) send(true);
  });

  // Only a frame with a touched form answers, so that the first answer is the answer.
  chrome.runtime.onMessage.addListener((message, _sender, respond) => {
    if (message?.ask !== "touched" || !isTouched()) return false;
    respond(true);
    return false;
  });

  // In a page that was open before, what differs from the page's own text was typed.
  for (const field of document.querySelectorAll("input, textarea")) {
    const { value, defaultValue } = /** @type {HTMLInputElement} */ (field);
    const isText = fieldOf(field) !== null && !isChoice(field);
    if (isText && value !== defaultValue) before.set(field, defaultValue);
  }
  told = isTouched();
  if (told || window === window.top) send(told);
})();
