import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";

const SCRIPT = readFileSync(new URL("../content/forms.js", import.meta.url), "utf8");

/** As much of an element as the script looks at. */
class FakeElement {
  isConnected = true;
  isContentEditable = false;
  isAutofilled = false;
  value = "";
  defaultValue = "";
  textContent = "";
  form = null;
  /** Its root, closed to its page. */
  shadow = null;
  editContext = null;

  constructor(tag, more = {}) {
    this.tag = tag;
    this.type = tag === "input" ? "text" : tag;
    Object.assign(this, more);
  }
  get outerHTML() {
    return this;
  }
  matches(selector) {
    if (selector === ":autofill") return this.isAutofilled;
    return selector.split(", ").some((part) => part === this.tag);
  }
  closest(selector) {
    return this.matches(selector) ? this : null;
  }
}
class FakeForm extends FakeElement {
  constructor() {
    super("form");
  }
}
/** A parser whose markup is the element it describes. */
class FakeParser {
  parseFromString({ defaultValue: value, defaultChecked: checked, defaultOptions: selectedOptions }) {
    return { body: { firstChild: { value, checked, selectedOptions } } };
  }
}

/** A page with the script in it, and the bits it told. */
function pageWith(fields = [], { isTop = true } = {}) {
  const told = [];
  const listeners = new Map();
  const listen = (type, listener) => {
    listeners.set(type, [...(listeners.get(type) ?? []), listener]);
  };
  let asked = null;
  const world = vm.createContext({
    Element: FakeElement,
    HTMLElement: FakeElement,
    HTMLFormElement: FakeForm,
    addEventListener: listen,
    DOMParser: FakeParser,
    document: { addEventListener: listen, querySelectorAll: () => fields },
    chrome: {
      dom: { openOrClosedShadowRoot: ({ shadow }) => shadow },
      runtime: {
        sendMessage: async ({ touched }) => void told.push(touched),
        onMessage: { addListener: (listener) => (asked = listener) },
      },
    },
  });
  world.window = world;
  world.top = isTop ? world : {};
  const run = () => vm.runInContext(SCRIPT, world);
  /** The extension is reloaded: its functions throw from now on. */
  const leaveBehind = () => {
    const fails = () => {
      throw new Error("Extension context invalidated.");
    };
    world.chrome.runtime.sendMessage = fails;
    world.chrome.dom.openOrClosedShadowRoot = fails;
  };
  run();
  const fire = (type, target, more = {}) => {
    const event = { type, target, isTrusted: true, composedPath: () => [target], ...more };
    for (const listener of listeners.get(type) ?? []) listener(event);
  };
  return {
    told,
    run,
    leaveBehind,
    listeners,
    fire,
    /** The user types: the browser announces it, changes the value, and tells of it. */
    types(field, text) {
      fire("beforeinput", field);
      if (field.isContentEditable) field.textContent = text;
      else field.value = text;
      fire("input", field);
    },
    /** The worker asks; null where the frame does not answer. */
    ask() {
      let answer = null;
      asked({ ask: "touched" }, {}, (value) => (answer = value));
      return answer;
    },
  };
}

test("a page says that it is clean when it begins, a frame within it says nothing", () => {
  assert.deepEqual(pageWith().told, [false]);
  assert.deepEqual(pageWith([], { isTop: false }).told, []);
});

test("typing touches, once; taking it back makes it clean", () => {
  const page = pageWith();
  const field = new FakeElement("textarea", { value: "draft" });
  page.types(field, "draft!");
  page.types(field, "draft!!");
  assert.deepEqual(page.told, [false, true]);
  assert.equal(page.ask(), true);
  page.types(field, "draft");
  assert.deepEqual(page.told, [false, true, false]);
  assert.equal(page.ask(), null);
});

test("an editor without a form field", () => {
  const page = pageWith();
  const editor = new FakeElement("div", { isContentEditable: true, textContent: "" });
  page.types(editor, "Dear all");
  assert.deepEqual(page.told, [false, true]);
});

test("the bit is all that is told", () => {
  const page = pageWith();
  page.types(new FakeElement("input"), "my secret");
  assert.doesNotMatch(JSON.stringify(page.told), /secret/);
});

test("searching, passwords, and what a script or the browser fills in touch nothing", () => {
  const page = pageWith();
  page.types(new FakeElement("input", { type: "search" }), "tabs");
  page.types(new FakeElement("input", { type: "password" }), "pw");
  page.fire("input", new FakeElement("input", { value: "x" }), { isTrusted: false });
  page.fire("input", new FakeElement("input", { value: "me", isAutofilled: true }));
  page.fire("change", new FakeElement("input", { value: "me", isAutofilled: true }));
  assert.deepEqual(page.told, [false]);
});

test("a field in a closed shadow root, whose events come as if from the root's host", () => {
  const page = pageWith();
  const field = new FakeElement("textarea");
  const host = new FakeElement("div", { shadow: { activeElement: field } });
  const outer = new FakeElement("div", { shadow: { activeElement: host } });
  page.fire("beforeinput", outer);
  field.value = "half a text";
  page.fire("input", outer);
  assert.deepEqual(page.told, [false, true]);
  field.value = "";
  page.fire("input", outer);
  assert.deepEqual(page.told, [false, true, false]);

  field.type = "search";
  page.types(outer, "tabs");
  assert.deepEqual(page.told, [false, true, false]);
});

test("what the browser says was changed touches, though its field is not found", () => {
  const page = pageWith();
  const host = new FakeElement("div", { shadow: { activeElement: null } });
  page.fire("beforeinput", host);
  page.fire("input", host);
  assert.deepEqual(page.told, [false, true]);
});

/** An editor that draws its text itself, and what the browser tells its context. */
function drawnEditor() {
  const listeners = [];
  const editContext = { addEventListener: (_type, listener) => listeners.push(listener) };
  const editor = new FakeElement("div", { editContext });
  return { editor, listeners, types: (isTrusted) => listeners.forEach((listener) => listener({ isTrusted })) };
}

test("an editor that draws its text itself hears of it by its context alone", () => {
  for (const type of ["focusin", "keydown"]) {
    const page = pageWith();
    const { editor, listeners, types } = drawnEditor();
    page.fire(type, editor);
    page.fire(type, editor);
    assert.equal(listeners.length, 1);
    types(false);
    assert.deepEqual(page.told, [false], "its page wrote that");
    types(true);
    assert.deepEqual(page.told, [false, true]);
  }
});

test("what is pasted, cut or deleted in it comes as an event of the page", () => {
  for (const type of ["paste", "cut", "beforeinput"]) {
    const page = pageWith();
    page.fire(type, drawnEditor().editor);
    page.fire(type, new FakeElement("div"));
    assert.deepEqual(page.told, [false, true], type);
  }
  const page = pageWith();
  page.fire("paste", new FakeElement("div"));
  assert.deepEqual(page.told, [false]);
});

test("ticking, choosing and picking a date touch", () => {
  for (const field of [
    new FakeElement("input", { type: "checkbox" }),
    new FakeElement("input", { type: "file" }),
    new FakeElement("input", { type: "date" }),
    new FakeElement("select"),
  ]) {
    const page = pageWith();
    page.fire("change", field);
    assert.deepEqual(page.told, [false, true], field.type);
  }
});

test("sending or resetting a form cleans it, and no other", () => {
  for (const type of ["submit", "reset"]) {
    const page = pageWith();
    const [form, other] = [new FakeForm(), new FakeForm()];
    page.types(new FakeElement("input", { form }), "a");
    const second = new FakeElement("input", { form: other });
    page.types(second, "b");
    page.fire(type, form);
    assert.equal(page.ask(), true, "the other form is touched");
    page.fire(type, other);
    assert.equal(page.ask(), null);
    assert.deepEqual(page.told, [false, true, false]);
    page.types(second, "c");
    assert.equal(page.ask(), true, "it can be touched again");
  }
});

test("a field that is removed stays touched, as the steps of a long form are", () => {
  const page = pageWith();
  const form = new FakeForm();
  const [first, second] = [new FakeElement("input"), new FakeElement("input", { form })];
  page.types(first, "step one");
  first.isConnected = false;
  page.fire("visibilitychange", null);
  assert.equal(page.ask(), true);
  page.types(second, "step two");
  page.fire("submit", form);
  assert.equal(page.ask(), null, "the last step sends all of it");
});

test("a field that was emptied by its page, as chats do, is clean when one looks away", () => {
  const page = pageWith();
  const field = new FakeElement("textarea");
  page.types(field, "hello");
  field.value = "";
  page.fire("visibilitychange", null);
  assert.deepEqual(page.told, [false, true, false]);
  field.isConnected = false;
  assert.equal(page.ask(), null);
});

test("a page that leaves takes its forms along, and brings them back", () => {
  const page = pageWith();
  page.types(new FakeElement("input"), "a");
  page.fire("pagehide", null, { persisted: true });
  page.fire("pageshow", null, { persisted: true });
  assert.deepEqual(page.told, [false, true, false, true]);
});

test("in a page that was open before, what differs from its own text was typed", () => {
  const clean = new FakeElement("input", { value: "a", defaultValue: "a" });
  assert.deepEqual(pageWith([clean]).told, [false]);
  const typed = new FakeElement("textarea", { value: "a half-written", defaultValue: "" });
  const page = pageWith([clean, typed], { isTop: false });
  assert.deepEqual(page.told, [true]);
  assert.equal(page.ask(), true);
});

test("in a page that was open before, whatever is not as it was given is touched", () => {
  const option = (index) => ({ index });
  const kinds = {
    input: [
      { type: "checkbox", checked: true, defaultChecked: false },
      { type: "checkbox", checked: true, defaultChecked: true },
    ],
    select: [
      { selectedOptions: [option(1)], defaultOptions: [option(0)] },
      { selectedOptions: [option(1)], defaultOptions: [option(1)] },
    ],
    div: [
      { isContentEditable: true, textContent: "Dear all" },
      { isContentEditable: true, textContent: "\n  " },
    ],
    section: [{ editContext: { text: "x" } }, { editContext: { text: "" } }],
    textarea: [
      { value: "typed", isAutofilled: false },
      { value: "filled in", isAutofilled: true },
    ],
  };
  for (const [tag, [touched, clean]] of Object.entries(kinds)) {
    for (const isWithin of [false, true]) {
      const told = (more) => {
        const element = new FakeElement(tag, more);
        const host = new FakeElement("div", { shadow: { querySelectorAll: () => [element] } });
        return pageWith([isWithin ? host : element]).told;
      };
      assert.deepEqual(told(touched), [true], tag);
      assert.deepEqual(told(clean), [false], tag);
    }
  }
});

test("in a page that was open before, a form may have fields by the names of its members", () => {
  const typed = new FakeElement("textarea", { value: "typed" });
  const form = Object.assign(new FakeForm(), { matches: typed, closest: typed });
  assert.deepEqual(pageWith([form, typed]).told, [true]);
});

test("an editor that was full before, and is emptied as chats do, is clean", () => {
  const editor = new FakeElement("div", { isContentEditable: true, textContent: "half a letter" });
  const page = pageWith([editor]);
  page.types(editor, "");
  assert.deepEqual(page.told, [true, false]);
});

test("put into a page twice, it watches once", () => {
  const page = pageWith();
  const before = page.listeners.get("input").length;
  page.run();
  assert.equal(page.listeners.get("input").length, before);
});

test("a copy that the extension left behind does not disturb its page", () => {
  const page = pageWith();
  page.leaveBehind();
  assert.doesNotThrow(() => page.types(new FakeElement("input"), "x"));
});
