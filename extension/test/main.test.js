import assert from "node:assert/strict";
import { test } from "node:test";

import { start } from "../background/main.js";
import { FakeBrowser, settle, without } from "./fake-browser.js";

/** A browser with two tabs, in which the worker has just started. */
async function started(browser = new FakeBrowser()) {
  if (browser.windows.size === 0) {
    browser.openWindow(1, { focused: true });
    browser.haveTab(1, { active: true });
    browser.haveTab(2);
  }
  start(browser);
  await settle();
  return browser;
}

const hello = (last_n = 0) => ({ type: "hello", protocol: 1, host_version: "1", last_n });
const types = (port) => port.events().map(({ type }) => type);

test("at the browser's start: one snapshot, first in the log, and then what happens", async () => {
  const browser = await started();
  browser.update(2, { audible: true });
  await settle();
  await browser.port.says(hello());
  assert.deepEqual(
    browser.port.events().map(({ n, type }) => [n, type]),
    [
      [1, "session_started"],
      [2, "tab_changed"],
    ],
  );
  const [{ browser: name, idle, windows, tabs }] = browser.port.events();
  assert.deepEqual(
    { name, idle, windows, tabs: tabs.map(({ tab }) => tab) },
    { name: "Chromium", idle: "active", windows: [{ win: 1, focused: true }], tabs: [1, 2] },
  );
});

test("events that fire before the store is read, and while the snapshot is taken, follow it", async () => {
  const browser = new FakeBrowser();
  browser.openWindow(1, { focused: true });
  browser.haveTab(2);
  const { everything } = browser;
  browser.everything = async () => {
    const all = await everything();
    browser.update(2, { audible: true });
    await settle();
    return all;
  };
  start(browser);
  browser.update(2, { pinned: true });
  await settle();
  await settle();
  await browser.port.says(hello());
  assert.deepEqual(
    browser.port.events().map((event) => without(event, "at_ms", "n", "tabs").type),
    ["session_started", "tab_changed", "tab_changed"],
  );
  assert.equal(browser.port.events()[1].pinned, true);
});

test("a browser that cannot be looked at in the first moment is looked at again", async () => {
  const browser = new FakeBrowser();
  browser.openWindow(1, { focused: true });
  browser.haveTab(1, { active: true });
  const { everything } = browser;
  browser.everything = async () => {
    browser.everything = everything;
    throw new Error("Tabs cannot be queried right now.");
  };
  start(browser);
  await settle();
  await browser.port.says(hello());
  await settle();
  assert.deepEqual(types(browser.port), ["session_started"]);
});

test("a host that comes back gets what it missed and then a fresh snapshot", async () => {
  const browser = await started();
  await browser.port.says(hello());
  await browser.port.says({ type: "ack", n: 1 });
  await browser.pass(60_000);
  browser.port.close();
  browser.update(2, { pinned: true });
  await browser.pass(500);
  assert.equal(browser.ports.length, 2);
  await browser.port.says(hello(1));
  await settle();
  assert.deepEqual(
    browser.port.events().map(({ n, type }) => [n, type]),
    [
      [2, "tab_changed"],
      [3, "session_started"],
    ],
  );
});

test("a worker that died: same session, next number, a fresh snapshot, the waking event kept", async () => {
  const browser = await started();
  await browser.port.says(hello());
  const first = browser.port.sent[0].extension_session;
  browser.killWorker();

  start(browser);
  browser.update(2, { pinned: true });
  await settle();
  assert.equal(browser.port.sent[0].extension_session, first);
  await browser.port.says(hello(1));
  await settle();
  assert.deepEqual(
    browser.port.events().map(({ n, type }) => [n, type]),
    [
      [2, "tab_changed"],
      [3, "session_started"],
    ],
  );
});

test("a log that failed and is there again gets what it missed, on the same port", async () => {
  const browser = await started();
  await browser.port.says(hello());
  await browser.port.says({ type: "ack", n: 1 });
  browser.update(2, { pinned: true });
  await settle();
  await browser.port.says({ type: "error", code: "log_unavailable", message: "disk full" });
  browser.port.sent.length = 0;
  await browser.port.says(hello(1));
  await settle();
  assert.deepEqual(types(browser.port), ["tab_changed", "session_started"]);
});

test("an order goes from the host to the browser and its outcome back", async () => {
  const browser = await started();
  await browser.port.says(hello());
  await browser.port.says({ type: "discard_tab", decision: 9, tab: 2, host: "host2.example" });
  await settle();
  assert.deepEqual(browser.discarded, [2]);
  const told = browser.port.events().slice(1).map((event) => without(event, "n", "at_ms"));
  // The log takes the outcome and what the browser tells of it in any order.
  told.sort((a, b) => a.type.localeCompare(b.type));
  assert.deepEqual(told, [
    { type: "discard_outcome", decision: 9, tab: 2, ok: true },
    { type: "tab_discarded", tab: 100, by: "orchestrator" },
    { type: "tab_replaced", tab: 100, old: 2 },
  ]);
});

test("an order is one of the log that was greeted last", async () => {
  const browser = await started();
  browser.update(2, { pinned: true });
  const order = { type: "discard_tab", decision: 9, tab: 2, host: "host2.example" };
  await browser.port.says({ ...hello(), session: "a log" });
  await browser.port.says(order);
  browser.update(2, { pinned: false });
  // The log of a choice of privacy, say.
  await browser.port.says({ ...hello(), session: "another log" });
  await browser.port.says(order);
  await settle();
  assert.deepEqual(browser.discarded, [2]);
  // The first goes to the other log, too: nothing was acknowledged.
  const outcomes = browser.port.events().filter(({ type }) => type === "discard_outcome");
  assert.deepEqual(outcomes.map(({ ok }) => ok), [false, false, true]);
});

test("an order that is none is reported, and what follows it is heard", async (t) => {
  const reported = t.mock.method(console, "error", () => {});
  const browser = await started();
  await browser.port.says(hello());
  await browser.port.says({ type: "discard_tab", decision: "x", tab: null });
  await browser.port.says({ type: "no_such_message" });
  browser.update(2, { pinned: true });
  await settle();
  assert.deepEqual(browser.discarded, []);
  assert.equal(reported.mock.callCount(), 1);
  assert.deepEqual(types(browser.port), ["session_started", "tab_changed"]);
});

test("a host that talks nonsense loses nothing", async (t) => {
  const reported = t.mock.method(console, "error", () => {});
  const browser = await started();
  await browser.port.says(hello());
  for (const n of [undefined, null, "1", -1, 1.5, NaN]) {
    await browser.port.says({ type: "ack", n });
    await browser.port.says({ type: "error", code: "event_gap", message: "gap", expected: n });
  }
  await settle();
  assert.ok(reported.mock.callCount() >= 12);
  assert.ok("event:1" in browser.stored.session);
  await browser.port.says({ type: "ack", n: 1 });
  await settle();
  assert.ok(!("event:1" in browser.stored.session));
});

test("a gap that the host finds is filled, and a refused event leads to one snapshot", async (t) => {
  t.mock.method(console, "error", () => {});
  const browser = await started();
  await browser.port.says(hello());
  browser.update(2, { pinned: true });
  await settle();
  browser.port.sent.length = 0;
  await browser.port.says({ type: "error", code: "event_gap", message: "gap", expected: 2 });
  assert.deepEqual(types(browser.port), ["tab_changed"]);

  browser.port.sent.length = 0;
  await browser.port.says({ type: "error", code: "bad_event", message: "bad", n: 2 });
  await settle();
  await browser.port.says({ type: "error", code: "bad_event", message: "bad", n: 3 });
  await settle();
  assert.deepEqual(types(browser.port), ["session_started"]);
});

test("the user's wishes reach the host", async () => {
  const browser = await started();
  await browser.port.says(hello());
  const view = browser.listeners.asked({ ask: "view" });
  await settle();
  const { request } = browser.port.sent.at(-1);
  await browser.port.says({ type: "status", request, score: 12 });
  const { connection, status, forms_seen, waiting } = await view;
  assert.equal(connection.state, "connected");
  assert.equal(status.score, 12);
  assert.deepEqual({ forms_seen, waiting }, { forms_seen: false, waiting: 1 });

  await browser.listeners.asked({ ask: "prune" });
  await settle();
  assert.deepEqual(without(browser.port.events().at(-1), "n", "at_ms"), {
    type: "prune_requested",
    tab: null,
  });
  const why = browser.listeners.asked({ ask: "explain", tab: 2 });
  await settle();
  const { request: asked, ...explain } = browser.port.sent.at(-1);
  assert.deepEqual(explain, { type: "explain", tab: 2 });
  const explanation = { verdict: "guarded", guards: ["PINNED"], idle_ms: 5, gate: { state: "open" } };
  await browser.port.says({ type: "explanation", request: asked, tab: 2, explanation });
  assert.deepEqual(await why, {
    verdict: "guarded",
    guards: ["PINNED"],
    not_observable: [],
    idle_ms: 5,
    ttl_ms: 0,
    in_focus: false,
    familiarity: 1,
    gate: "open",
  });
  for (const [question, expect] of [
    [{ ask: "set_mode", mode: "enforce" }, { type: "set_mode", mode: "enforce" }],
    [{ ask: "pause", until_ms: null }, { type: "pause", until_ms: null }],
    [{ ask: "set_privacy", privacy: "site" }, { type: "set_privacy", privacy: "site" }],
    [{ ask: "set_privacy", keep_days: 7 }, { type: "set_privacy", keep_days: 7 }],
    [{ ask: "policy" }, { type: "policy" }],
    [
      { ask: "change_policy", policy: { ttl_minutes: 3 } },
      { type: "change_policy", policy: { ttl_minutes: 3 } },
    ],
  ]) {
    browser.listeners.asked(question).catch(() => {});
    await settle();
    assert.deepEqual(without(browser.port.sent.at(-1), "request"), expect);
  }
  await assert.rejects(browser.listeners.asked({ ask: "open_sesame" }), {
    code: "unknown_question",
  });
});

test("without a host the view says so, and a mark stands on the button", async () => {
  const browser = new FakeBrowser();
  browser.refusal = "Specified native messaging host not found.";
  await started(browser);
  const view = await browser.listeners.asked({ ask: "view" });
  assert.equal(view.connection.state, "host_missing");
  assert.equal(view.status, null);
  assert.equal(view.waiting, 1);
  assert.equal(browser.badge, "!");
  await assert.rejects(browser.listeners.asked({ ask: "policy" }), { code: "no_host" });
});

test("of a host that does not answer, or answers too late, the view says so", async (t) => {
  const reported = t.mock.method(console, "error", () => {});
  const browser = await started();
  await browser.port.says(hello());
  const view = () => browser.listeners.asked({ ask: "view" });
  const late = view();
  await settle();
  const { request } = browser.port.sent.at(-1);
  await browser.pass(5_000);
  const { connection, status } = await late;
  assert.deepEqual({ state: connection.state, status }, { state: "silent", status: null });

  await browser.port.says({ type: "status", request, score: 1 });
  const inTime = view();
  await settle();
  await browser.port.says({ type: "status", request: request + 1, score: 2 });
  await browser.port.says({ type: "status", request: request + 1, score: 3 });
  const answered = await inTime;
  assert.deepEqual([answered.connection.state, answered.status.score], ["connected", 2]);
  assert.equal(reported.mock.callCount(), 1, "an answer that comes late or twice is no fault");
});

test("who looks does not wait for the next attempt to connect", async () => {
  const browser = new FakeBrowser();
  browser.refusal = "Specified native messaging host not found.";
  await started(browser);
  for (let attempt = 0; attempt < 10; attempt += 1) await browser.pass(60_000);
  browser.refusal = undefined;
  const { length } = browser.ports;
  await browser.listeners.asked({ ask: "view" });
  await settle();
  assert.equal(browser.ports.length, length + 1);
  await browser.port.says(hello());
  assert.equal(browser.badge, "");
  browser.listeners.asked({ ask: "view" });
  await settle();
  assert.equal(browser.ports.length, length + 1, "one connection will do");
});

test("memory is asked for now or not at all", async () => {
  const browser = await started();
  const prune = () => browser.listeners.asked({ ask: "prune" });
  await assert.rejects(prune(), { code: "no_host" }, "nobody has greeted");
  await browser.port.says(hello());
  await browser.port.says({ type: "error", code: "log_unavailable", message: "no space left" });
  await assert.rejects(prune(), { code: "no_host" }, "nothing can be written");
  browser.port.close();
  await assert.rejects(prune(), { code: "no_host" }, "nobody is there");
  await browser.pass(60_000);
  await browser.port.says(hello());
  await settle();
  assert.ok(!types(browser.port).includes("prune_requested"));
  await prune();
  await settle();
  assert.equal(types(browser.port).at(-1), "prune_requested");
});

test("a refused event leads to a snapshot, whatever the clock was set to", async (t) => {
  t.mock.method(console, "error", () => {});
  const browser = await started();
  await browser.port.says(hello());
  const error = { type: "error", code: "bad_event", message: "no such tab", n: 1 };
  await browser.port.says(error);
  browser.setBy = -3_600_000;
  await browser.pass(60_000);
  await browser.port.says(error);
  assert.equal(types(browser.port).filter((type) => type === "session_started").length, 3);
});

test("forms are watched when access is granted, and no longer when it is taken back", async () => {
  const browser = await started();
  assert.equal(browser.watched, false);
  browser.grantsPages = true;
  browser.listeners.permissionsChanged();
  await settle();
  assert.equal(browser.watched, true);
  assert.deepEqual(browser.watchedAnew, [false]);
  browser.grantsPages = false;
  browser.listeners.permissionsChanged();
  await settle();
  assert.equal(browser.watched, false);
});

test("an alarm connects, if it is ours and due", async () => {
  const browser = new FakeBrowser();
  browser.refusal = "Specified native messaging host not found.";
  await started(browser);
  // A timer of the worker would connect, too.
  browser.timers = [];
  const [[name]] = browser.alarms;
  const { length } = browser.ports;
  browser.listeners.alarm(name);
  await settle();
  assert.equal(browser.ports.length, length, "too soon");
  browser.time += 60_000;
  browser.listeners.alarm("another");
  await settle();
  assert.equal(browser.ports.length, length);
  browser.listeners.alarm(name);
  await settle();
  assert.equal(browser.ports.length, length + 1);
});

test("a page that was loaded is asked whether what was touched is still there", async () => {
  const browser = await started();
  await browser.port.says(hello());
  browser.listeners.formTold(browser.time, browser.tabs.get(2), { touched: true });
  await settle();
  browser.update(2, { status: "loading" });
  await settle();
  assert.equal(browser.port.events().findLast(({ unsaved }) => unsaved !== undefined).unsaved, true);
  browser.update(2, { status: "complete" });
  await settle();
  assert.equal(browser.port.events().findLast(({ unsaved }) => unsaved !== undefined).unsaved, false);
});

test("access that is taken back while pages are still being gone through leaves none watched", async () => {
  const browser = await started();
  const { watchForms } = browser;
  let goOn = () => {};
  browser.watchForms = async (...args) => {
    await new Promise((resolve) => (goOn = () => resolve(undefined)));
    return watchForms(...args);
  };
  for (const grantsPages of [true, false]) {
    browser.grantsPages = grantsPages;
    browser.listeners.permissionsChanged();
    await settle();
  }
  goOn();
  await settle();
  assert.equal(browser.watched, false);
});

test("open pages are gone through anew when the extension is, and not when its worker is", async () => {
  const browser = new FakeBrowser();
  browser.grantsPages = true;
  await started(browser);
  browser.killWorker();
  await started(browser);
  assert.deepEqual(browser.watchedAnew, [true, false]);
});

/** A browser whose second tab tells of its forms, and what the log was told of them. */
async function withForms() {
  const browser = await started();
  await browser.port.says(hello());
  const told = async (touched) => {
    browser.listeners.formTold(browser.time, browser.tabs.get(2), { touched });
    await settle();
  };
  const bits = () =>
    browser.port.events().flatMap((event) => ("unsaved" in event ? [event.unsaved] : []));
  return { browser, told, bits };
}

test("a touched form: one clean frame does not clear its tab, a clean page does", async () => {
  const { browser, told, bits } = await withForms();
  await told(true);
  browser.touchedPages.set(2, true);
  await told(false);
  assert.deepEqual(bits(), [true]);
  // A step within the page looks like a load.
  browser.update(2, { status: "loading", url: "https://host2.example/step2" });
  browser.update(2, { status: "complete" });
  await settle();
  assert.deepEqual(bits(), [true]);
  browser.touchedPages.delete(2);
  browser.update(2, { status: "loading" });
  browser.update(2, { status: "complete" });
  await settle();
  assert.deepEqual(bits(), [true, false]);

  browser.listeners.formTold(1, { ...browser.tabs.get(2), incognito: true }, { touched: true });
  browser.listeners.formTold(1, browser.tabs.get(2), { touched: "secret text" });
  await settle();
  assert.deepEqual(bits(), [true, false]);
});

test("a late answer undoes nothing that was told or asked since", async () => {
  const { browser, told, bits } = await withForms();
  const answers = [];
  browser.askForms = () => new Promise((resolve) => answers.push(resolve));

  await told(true);
  await told(false);
  await told(true);
  answers[0](false);
  await settle();
  assert.deepEqual(bits(), [true], "it was touched after it was asked");

  await told(false);
  await told(false);
  answers[1](false);
  await settle();
  assert.deepEqual(bits(), [true], "it was asked anew");
  answers[2](true);
  await settle();
  assert.deepEqual(bits(), [true]);
  await told(false);
  answers[3](false);
  await settle();
  assert.deepEqual(bits(), [true, false]);
});

test("the page that explains opens once, whatever the browser counts as an installation", async () => {
  const browser = await started();
  browser.listeners.installed();
  await settle();
  browser.killWorker();
  await started(browser);
  browser.listeners.installed();
  await settle();
  assert.deepEqual(browser.opened, ["pages/setup.html"]);
});

test("idle and locked, from the browser's word", async () => {
  const browser = await started();
  await browser.port.says(hello());
  browser.listeners.idleChanged(browser.time, "locked");
  await settle();
  assert.deepEqual(without(browser.port.events().at(-1), "n", "at_ms"), {
    type: "user_idle",
    state: "locked",
  });
});

test("where idleness cannot be told the snapshot says null", async () => {
  const browser = new FakeBrowser();
  browser.user = null;
  await started(browser);
  await browser.port.says(hello());
  assert.equal(browser.port.events()[0].idle, null);
});
