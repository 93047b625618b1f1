/**
 * Watches whether a form in this page was touched, and tells that one bit: never what was typed,
 * nor where.
 *
 * Runs in every frame of the pages the user granted access to, as a plain script. "Touched" means
 * that a discard would lose something: a text that is not what it was, a box that was ticked, a
 * file that was chosen, an editor that draws its own text and was typed into. It stays touched when
 * a field is removed, because the next step of a form often removes the one before. It is clean again
 * when all texts are what they were, or when the form was sent or reset.
 */

(() => {
  const MARK = "tabOrchestratorFormsAreWatched";
  const world = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (globalThis));
  // The script is put into open pages when access is granted, and comes with each load after that.
  if (world[MARK]) return;
  world[MARK] = true;

  /** Nothing is lost with these: a search can be asked again, a password is not kept here. */
  const HARMLESS = new Set(["search", "password", "hidden", "button", "submit", "reset", "image"]);
  /** What can be ticked or chosen. */
  const CHOICES = new Set(["checkbox", "radio", "file", "range", "color"]);

  /** Texts as they were before the user's first change. @type {Map<Element, string>} */
  const before = new Map();
  /** What was changed and has no text to compare with. @type {Set<Element>} */
  const changed = new Set();
  /** What is listened to. @type {WeakSet<EventTarget>} */
  const contexts = new WeakSet();
  /** Whether a touched field was removed from the page. */
  let removed = false;
  let told = false;

  /** The root below an element, though it is closed to the page. @param {any} element @returns {ShadowRoot | null} */
  function shadowOf(element) {
    if (!(element instanceof HTMLElement)) return null;
    try {
      // Firefox has it at the element.
      return chrome.dom?.openOrClosedShadowRoot(element) ?? /** @type {any} */ (element).openOrClosedShadowRoot;
    } catch {
      // The extension was reloaded or removed; this copy of the script is left behind.
      return null;
    }
  }

  /** Every element of a page, in shadow roots, too. @param {ParentNode} root @returns {Generator<any>} */
  function* elementsBelow(root) {
    for (const element of root.querySelectorAll("*")) {
      yield element;
      const shadow = shadowOf(element);
      if (shadow) yield* elementsBelow(shadow);
    }
  }

  /** Where an event came from. From a closed root it comes as if from the root's host. @param {Event} event */
  function sourceOf(event) {
    let source = event.composedPath()[0];
    for (let inner; (inner = shadowOf(source)?.activeElement); ) source = inner;
    return source;
  }

  /** What an event is about, by its source; null where nothing is lost with it. @param {unknown} source @returns {Element | null} */
  function fieldOf(source) {
    if (!(source instanceof Element)) return null;
    const editable = /** @type {HTMLElement} */ (source).isContentEditable;
    if (editable) return source.closest("[contenteditable]") ?? source;
    const field = source.closest("input, textarea, select") ?? source;
    return HARMLESS.has(/** @type {HTMLInputElement} */ (field).type) ? null : field;
  }

  /** Whether a field has a text to compare with. @param {Element} field */
  function hasText(field) {
    const { isContentEditable, type } = /** @type {HTMLInputElement} */ (field);
    return isContentEditable || (field.matches("input, textarea") && !CHOICES.has(type));
  }

  /** @param {Element} field */
  function textOf(field) {
    return field.matches("input, textarea")
      ? /** @type {HTMLInputElement} */ (field).value
      : (field.textContent ?? "").trim();
  }

  /** Whether a choice is another than its page gave, which is what stands in the markup. @param {any} field */
  function isChosen(field) {
    const given = new DOMParser().parseFromString(field.outerHTML, "text/html").body.firstChild;
    return choiceOf(field) !== choiceOf(given);
  }

  /** @param {any} field */
  function choiceOf({ selectedOptions, checked, value }) {
    return selectedOptions ? Array.from(selectedOptions, ({ index }) => index).join() : `${checked} ${value}`;
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

  /** @param {Element} field */
  function change(field) {
    changed.add(field);
    tell();
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

  addEventListener(
    "beforeinput",
    (event) => {
      const field = fieldOf(sourceOf(event));
      if (field !== null && hasText(field) && !before.has(field)) before.set(field, textOf(field));
    },
    true,
  );

  // An editor that draws its text itself, on an EditContext: what is typed is told to that alone.
  for (const type of ["focusin", "keydown"]) {
    addEventListener(
      type,
      (event) => {
        const editor = /** @type {any} */ (sourceOf(event));
        const context = editor?.editContext;
        if (!context || contexts.has(context)) return;
        contexts.add(context);
        context.addEventListener("textupdate", (/** @type {Event} */ { isTrusted }) => {
          if (isTrusted) change(editor);
        });
      },
      true,
    );
  }
  // What is pasted, cut and deleted there its page has to do by itself.
  for (const type of ["beforeinput", "paste", "cut"]) {
    addEventListener(
      type,
      (event) => {
        const editor = /** @type {any} */ (sourceOf(event));
        if (event.isTrusted && editor?.editContext) change(editor);
      },
      true,
    );
  }

  for (const type of ["input", "change"]) {
    addEventListener(
      type,
      (event) => {
        const field = event.isTrusted ? fieldOf(sourceOf(event)) : null;
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

  // In a page that was open before, what is not as the page gave it was typed or chosen. What text an
  // editor was given is not known, so all it holds counts as typed.
  for (const element of elementsBelow(document)) {
    // A field's name hides the member of its form that has it.
    if (element instanceof HTMLFormElement) continue;
    if (fieldOf(element) !== element || element.matches(":autofill")) continue;
    if (hasText(element)) {
      const given = element.matches("input, textarea") ? element.defaultValue : "";
      if (textOf(element) !== given) before.set(element, given);
    } else if (element.editContext?.text || (element.matches("input, select") && isChosen(element))) {
      changed.add(element);
    }
  }
  told = isTouched();
  if (told || window === window.top) send(told);
})();
