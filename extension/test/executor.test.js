import assert from "node:assert/strict";
import { test } from "node:test";

import { Executor } from "../background/executor.js";
import { Intents } from "../background/intents.js";
import { Store } from "../background/store.js";
import { Tracker } from "../background/tracker.js";
import { FakeBrowser, settle, without } from "./fake-browser.js";

/** A tracker and an executor on what the browser has stored, and the events they told. */
async function working(browser = new FakeBrowser()) {
  const store = new Store(browser.session);
  const saved = await store.load();
  const events = [];
  const emit = (at_ms, body) => {
    events.push(body);
    store.put(`event:${events.length}`, body);
  };
  const intents = new Intents(saved, store, browser.now);
  const tracker = new Tracker(saved, store, intents, emit);
  const executor = new Executor(browser, intents, tracker, emit);
  browser.listen(tracker);
  return { browser, store, events, intents, tracker, executor };
}

const ORDER = { type: "discard_tab", log: "log", decision: 7, tab: 2, host: "host2.example" };

async function openTab(tab) {
  const parts = await working();
  parts.browser.haveTab(1, { active: true, splitViewId: 5 });
  parts.browser.haveTab(2, tab);
  parts.tracker.snapshot(1, await parts.browser.everything(), null, {});
  parts.events.length = 0;
  return parts;
}

const outcomes = (events) =>
  events.filter(({ type }) => type === "discard_outcome").map((event) => without(event, "type"));

test("an order is carried out, told as done, and the discard told as ours", async () => {
  for (const answersFirst of [false, true]) {
    const { browser, events, executor } = await openTab();
    browser.answersFirst = answersFirst;
    executor.discard(ORDER);
    await executor.idle();
    await settle();
    assert.deepEqual(browser.discarded, [2]);
    const outcome = { type: "discard_outcome", decision: 7, tab: 2, ok: true };
    const told = [
      { type: "tab_replaced", tab: 100, old: 2 },
      { type: "tab_discarded", tab: 100, by: "orchestrator" },
    ];
    assert.deepEqual(events, answersFirst ? [outcome, ...told] : [...told, outcome]);
    const kept = Object.keys(browser.stored.session).filter((key) => key.startsWith("intent:"));
    assert.deepEqual(kept, [], "nothing is left of the intent");
  }
});

/** Gives an order for a tab on which a guard holds. */
function refused(name, why, tab, order = {}) {
  test(`refused at the last moment: ${name}`, async () => {
    const { browser, events, executor } = await openTab(tab);
    executor.discard({ ...ORDER, ...order });
    await executor.idle();
    assert.deepEqual(browser.discarded, []);
    assert.deepEqual(outcomes(events), [{ decision: 7, tab: order.tab ?? 2, ok: false, why }]);
    assert.deepEqual(
      Object.keys(browser.stored.session).filter((key) => key.startsWith("intent:")),
      [],
    );
  });
}

refused("it came to the front", "ACTIVE", { active: true });
refused("it is in sight beside the one in front", "ACTIVE", { splitViewId: 5 });
refused("it was pinned", "PINNED", { pinned: true });
refused("it makes a sound", "AUDIBLE", { audible: true });
refused("it opted out", "NOT_AUTO_DISCARDABLE", { autoDiscardable: false });
refused("it loads", "LOADING", { status: "loading" });
refused("it is about to load, of which no event tells", "LOADING", {
  pendingUrl: "https://host2.example/next",
});
refused("it is discarded", "DISCARDED", { discarded: true, status: "unloaded" });
refused("it was not loaded since the browser started", "DISCARDED", { status: "unloaded" });
refused("it is somewhere else now", "CHANGED", { url: "https://else.example/" });
refused("it shows a page of the browser", "INTERNAL", { url: "chrome://settings" }, { host: null });
refused("it is gone", "GONE", {}, { tab: 99 });
refused("it is private", "PRIVATE", { incognito: true });

test("an order without a host is compared with the host that the tab had when it came", async () => {
  const { browser, executor } = await openTab();
  executor.discard({ ...ORDER, host: null });
  await executor.idle();
  assert.deepEqual(browser.discarded, [2]);

  const other = await openTab();
  other.executor.discard({ ...ORDER, host: null });
  other.browser.haveTab(2, { url: "https://else.example/" });
  await other.executor.idle();
  assert.deepEqual(other.browser.discarded, []);
  assert.deepEqual(outcomes(other.events), [{ decision: 7, tab: 2, ok: false, why: "CHANGED" }]);
});

test("an order without a host for a tab of which nothing was told is not compared", async () => {
  const { browser, executor } = await working();
  browser.haveTab(2);
  executor.discard({ ...ORDER, host: null });
  await executor.idle();
  assert.deepEqual(browser.discarded, [2]);
});

/** Gives an order for a tab whose forms are seen. */
async function withForms(prepare) {
  const parts = await openTab();
  parts.tracker.formTold(1, 2, false);
  await prepare(parts);
  parts.executor.discard(ORDER);
  await parts.browser.pass(1_000);
  await parts.executor.idle();
  return { discarded: parts.browser.discarded, why: outcomes(parts.events)[0].why };
}

test("a touched form holds its tab", async () => {
  assert.deepEqual(
    await withForms(({ tracker }) => tracker.formTold(2, 2, true)),
    { discarded: [], why: "UNSAVED" },
    "it was told before",
  );
  assert.deepEqual(
    await withForms(({ browser }) => browser.touchedPages.set(2, true)),
    { discarded: [], why: "UNSAVED" },
    "the page says so when it is asked",
  );
  assert.deepEqual(
    await withForms(() => {}),
    { discarded: [2], why: undefined },
    "a clean form holds nothing",
  );
});

test("a page is asked though it was never heard: its word can be lost with a worker", async () => {
  const { browser, events, executor } = await openTab();
  browser.touchedPages.set(2, true);
  executor.discard(ORDER);
  await executor.idle();
  assert.deepEqual(browser.discarded, []);
  assert.deepEqual(outcomes(events), [{ decision: 7, tab: 2, ok: false, why: "UNSAVED" }]);
});

test("a page that does not answer, as frozen ones do, is taken by what it said before", async () => {
  const silent = new Promise(() => {});
  assert.deepEqual(await withForms(({ browser }) => browser.touchedPages.set(2, silent)), {
    discarded: [2],
    why: undefined,
  });
});

test("a form that is touched while its page is asked holds its tab", async () => {
  const result = await withForms(({ browser, tracker }) => {
    browser.touchedPages.set(2, new Promise(() => {}));
    browser.setTimeout(() => tracker.formTold(2, 2, true), 100);
  });
  assert.deepEqual(result, { discarded: [], why: "UNSAVED" });
});

test("the browser is asked last: what changed while the page was asked counts", async () => {
  const result = await withForms(({ browser }) => {
    browser.touchedPages.set(2, new Promise(() => {}));
    browser.setTimeout(() => Object.assign(browser.tabs.get(2), { active: true }), 100);
  });
  assert.deepEqual(result, { discarded: [], why: "ACTIVE" });
});

test("the browser's own refusal is told in its words, and the discard is not ours", async () => {
  const { browser, events, executor } = await openTab();
  browser.beforeDiscard = () => {
    throw new Error("Cannot discard tab with id: 2.");
  };
  executor.discard(ORDER);
  await executor.idle();
  browser.discardTab(2)();
  assert.deepEqual(outcomes(events), [
    { decision: 7, tab: 2, ok: false, why: "Cannot discard tab with id: 2." },
  ]);
  assert.equal(events.at(-1).by, "other");
});

test("a tab of a split view that is not in front is in no one's sight", async () => {
  const { browser, executor } = await openTab({ splitViewId: 6 });
  executor.discard(ORDER);
  await executor.idle();
  assert.deepEqual(browser.discarded, [2]);
});

test("a tab that came to the front in the very moment, or beside it, is loaded again", async () => {
  for (const sight of [{ active: true }, { splitViewId: 5 }]) {
    const { browser, events, executor } = await openTab();
    browser.beforeDiscard = (tab) => Object.assign(tab, sight);
    executor.discard(ORDER);
    await executor.idle();
    assert.equal(outcomes(events)[0].ok, true);
    assert.deepEqual(browser.reloaded, [100]);
  }
});

test("an order whose tab the browser discarded first finds it under its new id", async () => {
  const { browser, events, executor } = await openTab();
  let isFirst = true;
  const { set } = browser.session;
  browser.session.set = async (items) => {
    await set(items);
    if (isFirst) browser.discardTab(2)();
    isFirst = false;
  };
  executor.discard(ORDER);
  await executor.idle();
  assert.deepEqual(without(events.find(({ type }) => type === "tab_discarded"), "type"), {
    tab: 100,
    by: "other",
  });
  assert.deepEqual(outcomes(events), [{ decision: 7, tab: 2, ok: false, why: "DISCARDED" }]);
});

test("orders are carried out one after another, each once", async () => {
  const { browser, events, executor, tracker } = await openTab();
  browser.haveTab(3);
  tracker.snapshot(1, await browser.everything(), null, {});
  let running = 0;
  const { discard } = browser;
  browser.discard = async (id) => {
    running += 1;
    assert.equal(running, 1);
    await settle();
    const after = await discard(id);
    running -= 1;
    return after;
  };
  executor.discard(ORDER);
  executor.discard({ ...ORDER, decision: 8, tab: 3, host: null });
  await executor.idle();
  assert.deepEqual(browser.discarded, [2, 3]);
  assert.deepEqual(
    outcomes(events).map(({ decision }) => decision),
    [7, 8],
  );
});

test("an order of another log is another order, though its numbers are the same", async () => {
  const { browser, events, executor } = await openTab({ pinned: true });
  executor.discard(ORDER);
  await executor.idle();
  browser.haveTab(2);
  executor.discard({ ...ORDER, log: "another log" });
  await executor.idle();
  assert.deepEqual(browser.discarded, [2]);
  assert.deepEqual(outcomes(events).map(({ ok }) => ok), [false, true]);
});

test("an order waits for no discard of another log that the browser has not told of", async () => {
  const { browser, events, executor } = await openTab();
  const { discard } = browser;
  // As a browser does that says it did, and sends no event.
  browser.discard = async (id) => ({ ...browser.tabs.get(id), discarded: true });
  executor.discard(ORDER);
  await executor.idle();
  browser.discard = discard;
  browser.haveTab(3);
  executor.discard({ ...ORDER, log: "another log", tab: 3, host: "host3.example" });
  await executor.idle();
  assert.deepEqual(browser.discarded, [3]);
  assert.deepEqual(outcomes(events).map(({ tab, ok }) => [tab, ok]), [[2, true], [3, true]]);
});

test("an order on which the browser fails to answer is told as refused, and the next is carried out", async () => {
  const { browser, events, executor } = await openTab();
  browser.haveTab(3);
  const { isShown } = browser;
  browser.isShown = async () => {
    throw new Error("No window with id: 1.");
  };
  executor.discard(ORDER);
  await executor.idle();
  browser.isShown = isShown;
  executor.discard({ ...ORDER, decision: 8, tab: 3, host: "host3.example" });
  await executor.idle();
  assert.deepEqual(browser.discarded, [3]);
  assert.deepEqual(outcomes(events), [
    { decision: 7, tab: 2, ok: false, why: "No window with id: 1." },
    { decision: 8, tab: 3, ok: true },
  ]);
});

test("a discard that the browser never ends holds up no other order", async () => {
  const { browser, events, executor } = await openTab();
  browser.haveTab(3);
  const { discard } = browser;
  // Firefox waits for the page to save its state, and a page may hang.
  browser.discard = (id) => (id === 2 ? new Promise(() => {}) : discard(id));
  executor.discard(ORDER);
  executor.discard({ ...ORDER, decision: 8, tab: 3, host: "host3.example" });
  // As long as the host waits for the first.
  await browser.pass(30_000);
  assert.deepEqual(browser.discarded, [3]);
  assert.deepEqual(outcomes(events), [
    { decision: 7, tab: 2, ok: false, why: "NOT_DISCARDED" },
    { decision: 8, tab: 3, ok: true },
  ]);
});

test("an order that cannot be stored is not carried out", async () => {
  const { browser, events, executor } = await openTab();
  await settle();
  browser.failingWrites = 1;
  executor.discard(ORDER);
  await executor.idle();
  assert.deepEqual(browser.discarded, []);
  assert.deepEqual(outcomes(events), [{ decision: 7, tab: 2, ok: false, why: "NOT_STORED" }]);
});

// --- The worker dies -------------------------------------------------------------------------

test("a worker that dies before the call: the next one says that nothing was done", async () => {
  const { browser, executor } = await openTab();
  browser.beforeTab = () => browser.killWorker();
  browser.discard = () => new Promise(() => {});
  executor.discard(ORDER);
  await settle();
  browser.beforeTab = () => {};

  const next = await working(browser);
  next.executor.settleInherited();
  await browser.pass(2_000);
  assert.deepEqual(outcomes(next.events), [
    { decision: 7, tab: 2, ok: false, why: "WORKER_STOPPED" },
  ]);
});

test("a worker that dies in the call: the next one finds the tab discarded, and ours", async () => {
  const { browser, executor } = await openTab();
  let tell = null;
  browser.discard = (id) => {
    tell = browser.discardTab(id);
    browser.killWorker();
    return new Promise(() => {});
  };
  executor.discard(ORDER);
  await settle();

  const next = await working(browser);
  next.executor.settleInherited();
  // The browser starts the worker for these.
  tell();
  await browser.pass(2_000);
  assert.deepEqual(next.events, [
    { type: "tab_replaced", tab: 100, old: 2 },
    { type: "tab_discarded", tab: 100, by: "orchestrator" },
    { type: "discard_outcome", decision: 7, tab: 2, ok: true },
  ]);
});

test("a worker that dies after the outcome was stored: it is not told twice", async () => {
  const { browser, executor, store } = await openTab();
  browser.answersFirst = true;
  executor.discard(ORDER);
  await executor.idle();
  browser.killWorker();
  await store.written();
  await settle();

  const next = await working(browser);
  next.executor.settleInherited();
  await browser.pass(2_000);
  assert.deepEqual(outcomes(next.events), []);
  // The discard itself is still to be told of, and is ours.
  next.tracker.tabReplaced(1, 100, 2);
  next.tracker.tabUpdated(1, 100, { discarded: true }, browser.tabs.get(100));
  assert.equal(next.events.at(-1).by, "orchestrator");
});
