import assert from "node:assert/strict";
import { test } from "node:test";

import { Intents } from "../background/intents.js";
import { Store } from "../background/store.js";
import { pageOf } from "../background/facts.js";
import { Tracker } from "../background/tracker.js";
import { FakeBrowser, without } from "./fake-browser.js";

/** A tracker on a fake browser, and the events it told. */
function tracking(browser = new FakeBrowser()) {
  const store = new Store(browser.session);
  const events = [];
  const intents = new Intents({}, store, browser.now);
  const tracker = new Tracker({}, store, intents, (at_ms, body) => events.push({ ...body, at_ms }));
  browser.listen(tracker);
  browser.openWindow(1, { focused: true });
  return { browser, tracker, intents, events, store };
}

/** Lets things happen to a tab that is open and known, and compares the events that follow. */
function check(name, { tab = {}, happens, expect }) {
  test(name, () => {
    const { browser, tracker, intents, events } = tracking();
    browser.haveTab(1, { active: true });
    browser.haveTab(2, tab);
    tracker.snapshot(browser.time, snapshotOf(browser), "active", {});
    events.length = 0;
    happens(browser, { tracker, intents });
    assert.deepEqual(
      events.map((event) => without(event, "at_ms", "last_accessed")),
      expect,
    );
  });
}

function snapshotOf(browser) {
  return [...browser.windows.values()].map((win) => ({
    ...win,
    tabs: [...browser.tabs.values()].filter((tab) => tab.windowId === win.id),
  }));
}

const OPENED = {
  type: "tab_opened",
  tab: 3,
  win: 1,
  host: "new.example",
  scheme: "https",
  active: false,
  pinned: false,
  audible: false,
  muted: false,
  discarded: false,
  loading: true,
  frozen: false,
  auto_discardable: true,
  group: -1,
};

check("what opened a tab is told if it may be known of", {
  happens: (browser) => browser.create(3, { pendingUrl: "https://new.example/a", openerTabId: 99 }),
  expect: [OPENED],
});

test("what is no tab of a window is in no snapshot", () => {
  const { browser, tracker, events } = tracking();
  const [win] = snapshotOf(browser);
  browser.haveTab(2);
  const tab = browser.tabs.get(2);
  // Developer tools, and a tab of another device.
  tracker.snapshot(1, [{ ...win, tabs: [{ ...tab, id: -1 }, tab, { ...tab, id: undefined }] }], "active", {});
  assert.deepEqual(events[0].tabs.map(({ tab }) => tab), [2]);
});

check("a tab opened in the background: opened, navigated, loaded", {
  happens(browser) {
    browser.create(3, { pendingUrl: "https://new.example/a", openerTabId: 2 });
    browser.time += 120;
    browser.update(3, { status: "loading", url: "https://new.example/a" });
    browser.update(3, { title: "secret" });
    browser.time += 80;
    browser.update(3, { status: "complete" });
  },
  expect: [
    { ...OPENED, opener: 2 },
    { type: "tab_navigated", tab: 3, host: "new.example", scheme: "https" },
    { type: "tab_loaded", tab: 3, ms: 200 },
  ],
});

check("a new tab whose address is not known yet has no host, and no wrong one", {
  happens: (browser) => browser.create(3),
  expect: [without(OPENED, "host", "scheme")],
});

check("a navigation to another site", {
  happens(browser) {
    browser.update(2, { status: "loading", url: "http://Bücher.example:8080/x" });
    browser.time += 30;
    browser.update(2, { status: "complete" });
  },
  expect: [
    { type: "tab_navigated", tab: 2, host: "xn--bcher-kva.example", scheme: "http" },
    { type: "tab_loaded", tab: 2, ms: 30 },
  ],
});

check("a reload has no address in its events", {
  happens(browser) {
    browser.update(2, { status: "loading" });
    browser.update(2, { status: "complete" });
  },
  expect: [
    { type: "tab_navigated", tab: 2, host: "host2.example", scheme: "https" },
    { type: "tab_loaded", tab: 2, ms: 0 },
  ],
});

check("a second load before the first has ended is timed from its own start", {
  happens(browser) {
    browser.update(2, { status: "loading", url: "https://a.example/" });
    browser.time += 500;
    browser.update(2, { status: "loading", url: "https://b.example/" });
    browser.time += 40;
    browser.update(2, { status: "complete" });
  },
  expect: [
    { type: "tab_navigated", tab: 2, host: "a.example", scheme: "https" },
    { type: "tab_navigated", tab: 2, host: "b.example", scheme: "https" },
    { type: "tab_loaded", tab: 2, ms: 40 },
  ],
});

check("a load that ended is told once", {
  happens(browser) {
    browser.update(2, { status: "complete" });
    browser.update(2, { status: "complete" });
  },
  expect: [],
});

check("an address that changes without a load is told only if it is another site", {
  happens(browser) {
    browser.update(2, { url: "https://host2.example/other" });
    browser.update(2, { url: "about:blank" });
  },
  expect: [
    { type: "tab_navigated", tab: 2, host: null, scheme: "about" },
    { type: "tab_loaded", tab: 2, ms: 0 },
  ],
});

check("a discard by the browser: replaced, then discarded by another", {
  happens: (browser) => browser.discardTab(2)(),
  expect: [
    { type: "tab_replaced", tab: 100, old: 2 },
    { type: "tab_discarded", tab: 100, by: "other" },
  ],
});

check("a discard of ours is ours under its new id", {
  happens(browser, { intents }) {
    intents.begin("log 7", 7, 2);
    intents.calling("log 7");
    browser.discardTab(2)();
  },
  expect: [
    { type: "tab_replaced", tab: 100, old: 2 },
    { type: "tab_discarded", tab: 100, by: "orchestrator" },
  ],
});

check("a discard whose events come after the answer is ours, too", {
  happens(browser, { intents }) {
    intents.begin("log 7", 7, 2);
    intents.calling("log 7");
    const tell = browser.discardTab(2);
    intents.done("log 7", true);
    tell();
  },
  expect: [
    { type: "tab_replaced", tab: 100, old: 2 },
    { type: "tab_discarded", tab: 100, by: "orchestrator" },
  ],
});

check("a discard by the browser while our order is still being checked is not ours", {
  happens(browser, { intents }) {
    intents.begin("log 7", 7, 2);
    browser.discardTab(2)();
    intents.done("log 7", false);
  },
  expect: [
    { type: "tab_replaced", tab: 100, old: 2 },
    { type: "tab_discarded", tab: 100, by: "other" },
  ],
});

check("the next discard of the same tab is not ours", {
  happens(browser, { intents }) {
    intents.begin("log 7", 7, 2);
    intents.calling("log 7");
    browser.discardTab(2)();
    intents.done("log 7", true);
    browser.update(100, { discarded: false, status: "unloaded" });
    browser.discardTab(100)();
  },
  expect: [
    { type: "tab_replaced", tab: 100, old: 2 },
    { type: "tab_discarded", tab: 100, by: "orchestrator" },
    { type: "tab_restored", tab: 100 },
    { type: "tab_replaced", tab: 101, old: 100 },
    { type: "tab_discarded", tab: 101, by: "other" },
  ],
});

check("a discard that was announced and never told of does not claim one much later", {
  happens(browser, { intents }) {
    intents.begin("log 7", 7, 2);
    intents.calling("log 7");
    intents.done("log 7", true);
    browser.time += 11_000;
    browser.discardTab(2)();
  },
  expect: [
    { type: "tab_replaced", tab: 100, old: 2 },
    { type: "tab_discarded", tab: 100, by: "other" },
  ],
});

check("a discard that keeps its id, as in Firefox", {
  happens: (browser) => browser.update(2, { discarded: true }),
  expect: [{ type: "tab_discarded", tab: 2, by: "other" }],
});

check("a discarded tab that comes back: restored at once, loaded later, never navigated", {
  tab: { discarded: true, status: "unloaded" },
  happens(browser) {
    browser.update(2, { discarded: false, status: "unloaded" });
    browser.time += 100;
    browser.update(2, { status: "loading", url: "https://host2.example/path" });
    browser.time += 250;
    browser.update(2, { status: "complete" });
  },
  expect: [
    { type: "tab_restored", tab: 2 },
    { type: "tab_loaded", tab: 2, ms: 350 },
  ],
});

check("a discarded tab that is sent elsewhere is restored and navigated", {
  tab: { discarded: true, status: "unloaded" },
  happens(browser) {
    // Its address is still the old one when it comes back.
    browser.update(2, { discarded: false, status: "loading" });
    browser.update(2, { status: "loading", url: "https://else.example/" });
    browser.time += 5;
    browser.update(2, { status: "complete" });
  },
  expect: [
    { type: "tab_restored", tab: 2 },
    { type: "tab_navigated", tab: 2, host: "else.example", scheme: "https" },
    { type: "tab_loaded", tab: 2, ms: 5 },
  ],
});

check("a tab from the last session that was not loaded yet comes back by a load alone", {
  tab: { discarded: false, status: "unloaded" },
  happens(browser) {
    browser.update(2, { status: "loading" });
    browser.update(2, { status: "complete" });
  },
  expect: [
    { type: "tab_restored", tab: 2 },
    { type: "tab_loaded", tab: 2, ms: 0 },
  ],
});

check("a discarded tab that a debugger has loaded comes back loaded", {
  tab: { discarded: true, status: "unloaded" },
  happens: (browser) => browser.update(2, { discarded: false, status: "complete" }),
  expect: [
    { type: "tab_restored", tab: 2 },
    { type: "tab_loaded", tab: 2, ms: 0 },
  ],
});

check("what a discarded tab says of its status is about an empty page", {
  happens(browser) {
    browser.update(2, { discarded: true, status: "loading" });
    browser.update(2, { status: "loading", url: "https://host2.example/path" });
    browser.update(2, { status: "complete" });
  },
  expect: [{ type: "tab_discarded", tab: 2, by: "other" }],
});

check("the properties that change", {
  happens(browser) {
    browser.update(2, { pinned: true });
    browser.update(2, { audible: true });
    browser.update(2, { mutedInfo: { muted: true, reason: "extension", extensionId: "x" } });
    browser.update(2, { autoDiscardable: false });
    browser.update(2, { groupId: 9 });
    browser.update(2, { frozen: true });
    browser.update(2, { groupId: -1 });
    browser.update(2, { title: "t" });
  },
  expect: [
    { type: "tab_changed", tab: 2, pinned: true },
    { type: "tab_changed", tab: 2, audible: true },
    { type: "tab_changed", tab: 2, muted: true },
    { type: "tab_changed", tab: 2, auto_discardable: false },
    { type: "tab_changed", tab: 2, group: 9 },
    { type: "tab_changed", tab: 2, frozen: true },
    { type: "tab_changed", tab: 2, group: -1 },
  ],
});

check("discarding a tab that opted out sends an event for tab −1 first", {
  happens: (browser) =>
    browser.listeners.tabUpdated(1, -1, { autoDiscardable: true }, { id: -1, incognito: false }),
  expect: [],
});

check("activated, moved to a new window, closed", {
  happens(browser) {
    browser.listeners.tabActivated(1, 2, 1);
    browser.listeners.windowCreated(1, { id: 5, incognito: false });
    browser.listeners.tabAttached(1, 2, 5);
    browser.listeners.windowFocused(1, 5);
    browser.listeners.windowFocused(1, null);
    browser.listeners.tabRemoved(1, 2);
    browser.listeners.tabRemoved(1, 2);
    browser.listeners.windowRemoved(1, 5);
  },
  expect: [
    { type: "tab_activated", tab: 2, win: 1 },
    { type: "window_opened", win: 5 },
    { type: "tab_moved", tab: 2, win: 5 },
    { type: "window_focused", win: 5 },
    { type: "window_focused", win: null },
    { type: "tab_closed", tab: 2 },
    { type: "window_closed", win: 5 },
  ],
});

check("a private window leaves no trace but that another window has the focus", {
  happens(browser) {
    const { listeners } = browser;
    listeners.windowCreated(1, { id: 66, incognito: true });
    browser.create(6, { windowId: 66, incognito: true, pendingUrl: "https://private.example" });
    browser.update(6, { status: "loading", url: "https://private.example" });
    listeners.tabActivated(1, 6, 66);
    listeners.tabAttached(1, 6, 66);
    listeners.tabReplaced(1, 7, 6);
    listeners.windowFocused(1, 66);
    listeners.tabRemoved(1, 6);
    listeners.windowRemoved(1, 66);
  },
  expect: [{ type: "window_focused", win: null }],
});

check("a touched form, told once, and gone with its page", {
  happens(browser, { tracker }) {
    tracker.formTold(1, 2, true);
    tracker.formTold(1, 2, true);
    tracker.formTold(1, 999, true);
    browser.update(2, { discarded: true });
  },
  expect: [
    { type: "tab_changed", tab: 2, unsaved: true },
    { type: "tab_discarded", tab: 2, by: "other" },
    { type: "tab_changed", tab: 2, unsaved: false },
  ],
});

check("a tab whose opening was missed is told as it is", {
  happens(browser) {
    browser.haveTab(3, { url: "https://new.example/", status: "complete" });
    browser.update(3, { status: "complete" });
    browser.listeners.tabActivated(1, 3, 1);
  },
  expect: [
    { ...OPENED, loading: false },
    { type: "tab_activated", tab: 3, win: 1 },
  ],
});

/** What is told of sight and of the front, in short. */
function sights(events) {
  return events.map(({ type, tab, in_sight }) =>
    type === "tab_changed" ? `${tab} ${in_sight ? "in" : "out"}` : `${type} ${tab}`,
  );
}

/** Tabs 1, in front, to 5, known and of no split view. */
function fiveTabs() {
  const parts = tracking();
  for (let id = 1; id <= 5; id += 1) parts.browser.haveTab(id, { active: id === 1 });
  parts.tracker.snapshot(parts.browser.time, snapshotOf(parts.browser), "active", {});
  parts.events.length = 0;
  return parts;
}

test("both halves of a split view are in sight while one of them is in front", () => {
  const { browser, events } = fiveTabs();
  const told = (happens) => {
    events.length = 0;
    happens();
    return sights(events);
  };
  assert.deepEqual(told(() => browser.split(7, 1, 2)), ["1 in", "2 in"]);
  assert.deepEqual(told(() => browser.activate(2)), ["tab_activated 2"]);
  assert.deepEqual(told(() => browser.split(8, 3, 4)), [], "in the background");
  assert.deepEqual(told(() => browser.activate(5)), ["tab_activated 5", "1 out", "2 out"]);
  assert.deepEqual(told(() => browser.activate(1)), ["1 in", "2 in", "tab_activated 1"]);
  assert.deepEqual(
    told(() => browser.activate(4)),
    ["3 in", "4 in", "tab_activated 4", "1 out", "2 out"],
  );
  assert.deepEqual(told(() => browser.split(-1, 1, 2)), []);
  assert.deepEqual(told(() => browser.split(-1, 3, 4)), ["3 out", "4 out"]);
  assert.deepEqual(told(() => browser.activate(1)), ["tab_activated 1"]);
});

test("a split view is told whichever half the browser names first", () => {
  for (const order of [[1, 2], [2, 1]]) {
    const { browser, events } = fiveTabs();
    browser.split(7, ...order);
    assert.deepEqual(sights(events).sort(), ["1 in", "2 in"]);
    events.length = 0;
    browser.split(-1, ...order);
    assert.deepEqual(sights(events).sort(), ["1 out", "2 out"]);
  }
});

test("a half that gives its place to another tab is out of sight", () => {
  const { browser, events } = fiveTabs();
  browser.split(7, 1, 2);
  events.length = 0;
  browser.split(-1, 2);
  browser.split(7, 3);
  assert.deepEqual(sights(events), ["2 out", "3 in"]);
  events.length = 0;
  browser.split(8, 3);
  assert.deepEqual(sights(events), ["3 out"], "without a word between");
});

test("a split view that goes to another window, as in Firefox, is in sight once it is in front there", () => {
  const { browser, events } = fiveTabs();
  browser.haveTab(6, { windowId: 2, active: true });
  browser.split(7, 1, 2);
  events.length = 0;
  browser.move(1, 2);
  browser.move(2, 2);
  assert.deepEqual(sights(events), ["tab_moved 1", "1 out", "tab_moved 2", "2 out"]);
  events.length = 0;
  browser.activate(2);
  assert.deepEqual(sights(events), ["1 in", "2 in", "tab_activated 2"]);
});

test("a half that is closed before its split view ends, as in Firefox, leaves the other out of sight", () => {
  const { browser, events } = fiveTabs();
  browser.split(7, 1, 2);
  events.length = 0;
  browser.tabs.delete(2);
  browser.listeners.tabRemoved(browser.time, 2);
  browser.split(-1, 1);
  assert.deepEqual(sights(events), ["tab_closed 2", "1 out"]);
});

test("a half that is discarded is in sight under its new id", () => {
  const { browser, events } = fiveTabs();
  browser.split(7, 1, 2);
  browser.discardTab(2)();
  events.length = 0;
  browser.activate(3);
  const [id] = [...browser.tabs.keys()].filter((id) => id >= 100);
  assert.deepEqual(sights(events), ["tab_activated 3", "1 out", `${id} out`]);
});

test("a tab that is opened beside the one in front is in sight", () => {
  const { browser, events } = fiveTabs();
  browser.split(7, 1);
  events.length = 0;
  browser.create(6, { splitViewId: 7 });
  browser.create(8, { splitViewId: 9 });
  assert.deepEqual(
    events.map(({ tab, in_sight }) => [tab, in_sight]),
    [[6, true], [8, undefined]],
  );
});

test("a snapshot tells of sight where there is, or was, something in it", () => {
  const { browser, tracker, events } = fiveTabs();
  browser.split(7, 1, 2);
  browser.split(8, 3, 4);
  const told = () => {
    tracker.snapshot(browser.time, snapshotOf(browser), null, {});
    return events.at(-1).tabs.map(({ in_sight }) => in_sight);
  };
  assert.deepEqual(told(), [true, true, undefined, undefined, undefined]);
  browser.listeners = null;
  browser.activate(5);
  assert.deepEqual(told(), [false, false, undefined, undefined, undefined]);
});

test("a snapshot tells what is open, but nothing private and no path or title", () => {
  const { browser, tracker, events } = tracking();
  browser.haveTab(1, { active: true, url: "chrome://settings/passwords", lastAccessed: 5.7 });
  browser.haveTab(2, { status: "unloaded", url: "https://user:pw@A.Example:81/secret?q=1#f" });
  browser.haveTab(3, { status: "loading", url: "file:///home/me/secret.txt" });
  browser.openWindow(66, { incognito: true });
  browser.haveTab(4, { windowId: 66, incognito: true });
  tracker.snapshot(7, snapshotOf(browser), "idle", { browser: "Chromium" });

  assert.equal(events.length, 1);
  const [started] = events;
  assert.equal(started.type, "session_started");
  assert.equal(started.idle, "idle");
  assert.equal(started.browser, "Chromium");
  assert.deepEqual(started.windows, [{ win: 1, focused: true }]);
  assert.deepEqual(
    started.tabs.map(({ tab, host, scheme, discarded, loading, last_accessed }) => [
      tab, host, scheme, discarded, loading, last_accessed,
    ]),
    [
      [1, null, "chrome", false, false, 6],
      [2, "a.example", "https", true, false, 999_000],
      [3, null, "file", false, true, 999_000],
    ],
  );
  assert.doesNotMatch(JSON.stringify(events), /secret|title|pw|passwords/);
});

test("a snapshot forgets what is gone and keeps what was known of the rest", () => {
  const { browser, tracker, events } = tracking();
  browser.haveTab(1);
  browser.haveTab(2);
  tracker.snapshot(1, snapshotOf(browser), null, {});
  tracker.formTold(2, 1, true);
  browser.tabs.delete(2);
  tracker.snapshot(3, snapshotOf(browser), null, {});
  browser.listeners.tabRemoved(4, 2);
  assert.deepEqual(
    events.map(({ type }) => type),
    ["session_started", "tab_changed", "session_started"],
  );
  assert.equal(events[2].tabs[0].unsaved, true);
});

test("what was heard of a tab before the snapshot that no longer had it does not open it again", () => {
  const { browser, tracker, events } = tracking();
  const tab = browser.haveTab(2);
  tracker.snapshot(1, snapshotOf(browser), null, {});
  tracker.snapshot(3, [], null, {}, 9);
  events.length = 0;
  tracker.tabUpdated(5, 2, { mutedInfo: { muted: true } }, tab);
  tracker.tabRemoved(6, 2);
  assert.deepEqual(events, []);
  // It is not gone after all: it was on its way from one window to another, for instance.
  tracker.tabUpdated(10, 2, { mutedInfo: { muted: true } }, tab);
  assert.equal(events[0].type, "tab_opened");
});

test("a snapshot that found a tab discarded says that its touched form is gone", () => {
  const { browser, tracker, events } = tracking();
  browser.haveTab(1);
  tracker.snapshot(1, snapshotOf(browser), null, {});
  tracker.formTold(2, 1, true);
  Object.assign(browser.tabs.get(1), { discarded: true, status: "unloaded" });
  tracker.snapshot(3, snapshotOf(browser), null, {});
  assert.equal(events.at(-1).tabs[0].unsaved, false);
});

test("a snapshot of very many tabs fits into a line of the host's; the oldest are told as opened after it", () => {
  const { browser, tracker, events } = tracking();
  for (let id = 1; id <= 6_000; id += 1) {
    browser.openWindow(id);
    browser.haveTab(id, { windowId: id, url: "http://a/", lastAccessed: id });
  }
  tracker.snapshot(1, snapshotOf(browser), null, {});
  const [{ tabs, at_ms, ...started }, ...opened] = events;
  const sizes = [...tabs, opened[0]].map((tab) => JSON.stringify(tab).length + 1 + 64);
  const bytes = sizes.slice(0, -1).reduce((sum, size) => sum + size, JSON.stringify(started).length);
  assert.ok(bytes <= 900_000 && bytes + sizes.at(-1) > 900_000, `${bytes}`);
  assert.equal(tabs.length + opened.length, 6_000);
  assert.deepEqual(
    [...tabs, ...opened].map(({ last_accessed }) => last_accessed),
    Array.from({ length: 6_000 }, (_, index) => 6_000 - index),
  );
  assert.ok(opened.every(({ type }) => type === "tab_opened"));
});

test("a tracker that starts anew knows what the last one knew", async () => {
  const { browser, tracker, store } = tracking();
  browser.haveTab(1);
  browser.haveTab(2, { discarded: true, status: "unloaded" });
  tracker.snapshot(1, snapshotOf(browser), null, {});
  browser.time = 5_000;
  browser.update(1, { status: "loading" });
  tracker.formTold(6, 1, true);
  browser.haveTab(3, { active: true });
  browser.haveTab(4);
  tracker.tabCreated(6, browser.tabs.get(3));
  tracker.tabCreated(6, browser.tabs.get(4));
  browser.split(7, 3, 4);
  await store.written();

  const events = [];
  const saved = await browser.session.get();
  const next = new Tracker(saved, store, new Intents(saved, store, browser.now), (at_ms, body) =>
    events.push(body),
  );
  browser.listen(next);
  assert.equal(next.unsaved(1), true);
  browser.time = 5_700;
  browser.update(1, { status: "complete" });
  browser.update(2, { discarded: false, status: "unloaded" });
  browser.listeners.windowFocused(1, 1);
  browser.listeners.tabRemoved(1, 77);
  browser.activate(1);
  assert.deepEqual(events, [
    { type: "tab_loaded", tab: 1, ms: 700 },
    { type: "tab_restored", tab: 2 },
    { type: "window_focused", win: 1 },
    { type: "tab_activated", tab: 1, win: 1 },
    { type: "tab_changed", tab: 3, in_sight: false },
    { type: "tab_changed", tab: 4, in_sight: false },
  ]);
});

test("what the log may know of an address", () => {
  for (const [url, expect] of [
    ["https://EXAMPLE.org:8443/p?q#f", { host: "example.org", scheme: "https" }],
    ["http://user:pw@[::1]:80/", { host: "[::1]", scheme: "http" }],
    ["https://bücher.example/", { host: "xn--bcher-kva.example", scheme: "https" }],
    ["chrome://newtab/", { host: null, scheme: "chrome" }],
    ["chrome-extension://abc/page.html", { host: null, scheme: "chrome-extension" }],
    ["file://server/share", { host: null, scheme: "file" }],
    ["data:text/html,secret", { host: null, scheme: "data" }],
    ["blob:https://a.example/1", { host: null, scheme: "blob" }],
    ["about:blank", { host: null, scheme: "about" }],
    ["", undefined],
    [undefined, undefined],
    ["no address", undefined],
  ]) {
    assert.deepEqual(pageOf(url), expect, String(url));
  }
});
