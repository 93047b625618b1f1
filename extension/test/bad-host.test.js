// A host gone bad: what it says is nonsense, too much, or meant to harm. The worker must live on,
// keep what it has, touch no guarded tab, and serve the next good host.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";

import { start } from "../background/main.js";
import { levelText, outcomeText, reasonText, whyText } from "../pages/words.js";
import { FakeBrowser, settle } from "./fake-browser.js";

const SEED = Number(process.env.SEED ?? 1);

/** Tabs that no order may touch, each for its own reason. */
const GUARDED = {
  1: { active: true },
  3: { pinned: true },
  4: { audible: true },
  5: { incognito: true },
  6: { status: "loading" },
  7: { autoDiscardable: false },
  8: { url: "chrome://settings" },
  9: {},
};

const HELLO = { type: "hello", protocol: 1, host_version: "1", last_n: 0 };

/** A worker whose host has greeted; tab 2 may go, tab 9 holds a touched form. */
async function started(t) {
  const reported = t.mock.method(console, "error", () => {});
  const browser = new FakeBrowser();
  browser.openWindow(1, { focused: true });
  browser.haveTab(2);
  for (const [id, facts] of Object.entries(GUARDED)) browser.haveTab(Number(id), facts);
  start(browser);
  await settle();
  await browser.port.says(HELLO);
  browser.listeners.formTold(browser.time, browser.tabs.get(9), { touched: true });
  await settle();
  return { browser, reported };
}

/** The host ends, if it was not left before, and another one is started. */
async function nextHost(browser) {
  const { length } = browser.ports;
  browser.port.close();
  for (let waits = 0; waits < 600 && browser.ports.length === length; waits += 1) await browser.pass(500);
  assert.equal(browser.ports.length, length + 1);
}

/** After all that: the worker hears the browser, and the next host gets everything. */
async function livesOn(browser) {
  await nextHost(browser);
  await browser.port.says(HELLO);
  browser.update(1, { mutedInfo: { muted: true } });
  await settle();
  await settle();
  const numbers = browser.port.events().map(({ n }) => n).filter((n) => n !== undefined);
  assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b));
  assert.ok(browser.port.events().some(({ type, tab }) => type === "tab_changed" && tab === 1));
}

function isUntouched(browser) {
  for (const id of Object.keys(GUARDED)) assert.ok(!browser.discarded.includes(Number(id)), `tab ${id}`);
}

/** JSON of any shape, and deep. */
const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.constantFrom(-1, 1.5, 1e300, 2 ** 53, "", "constructor", "__proto__", "x".repeat(100_000)),
  fc.constant(nested(5_000)),
);
const anyOf = (...values) => fc.oneof(fc.constantFrom(...values), junk);
const tab = anyOf(1, 2, 3, 4, 5, 6, 7, 8, 9, 77);

/** What is no message, and messages with one or more members gone bad. */
const message = fc.oneof(
  junk,
  fc.record({ type: junk, request: junk }),
  fc.record({ type: fc.constant("hello"), last_n: junk, host_version: junk, protocol: junk }),
  fc.record({ type: fc.constant("ack"), n: junk }),
  fc.record({ type: fc.constant("discard_tab"), decision: anyOf(1, 2, 3), tab, host: anyOf(null, "host2.example") }),
  fc.record({ type: fc.constant("error"), code: anyOf("event_gap", "bad_event", "constructor"), message: junk, fix: junk, expected: junk }),
  fc.record({ type: fc.constant("explanation"), request: anyOf(1, 2), explanation: anyOf(null, { guards: 1, gate: [] }) }),
  fc.record({ type: fc.constant("status"), request: anyOf(1, 2), recent: junk, reasons: junk, metrics: junk, health: junk, privacy: junk }),
);

function nested(depth) {
  let value = 1;
  for (let level = 0; level < depth; level += 1) value = [value];
  return value;
}

test("whatever a host says, the worker lives on and no guarded tab goes", async (t) => {
  const property = fc.asyncProperty(fc.array(message, { maxLength: 30, size: "max" }), async (said) => {
    const { browser } = await started(t);
    const view = browser.listeners.asked({ ask: "view" });
    for (const it of said) await browser.port.says(it);
    isUntouched(browser);
    assert.ok(Object.keys(browser.stored.session).length < 200);
    assert.ok(JSON.stringify(await (browser.pass(5_000), view)).length < 1_200_000);
    await livesOn(browser);
    t.mock.reset();
  });
  await fc.assert(property, { seed: SEED, numRuns: 150 });
});

test("orders for tabs that are guarded, or are not there, are answered and not carried out", async (t) => {
  const { browser } = await started(t);
  let decision = 0;
  for (const id of [...Object.keys(GUARDED).map(Number), 77]) {
    await browser.port.says({ type: "discard_tab", decision: (decision += 1), tab: id, host: null });
    await browser.pass(1_000);
  }
  assert.deepEqual(browser.discarded, []);
  const outcomes = browser.port.events().filter(({ type }) => type === "discard_outcome");
  assert.deepEqual(outcomes.map(({ tab, ok }) => [tab, ok]), [1, 3, 4, 5, 6, 7, 8, 9, 77].map((id) => [id, false]));
});

test("an order that comes twice is carried out once", async (t) => {
  const { browser } = await started(t);
  const order = { type: "discard_tab", decision: 9, tab: 2, host: null };
  await browser.port.says(order);
  await browser.pass(1_000);
  await browser.port.says(order);
  await browser.pass(1_000);
  const outcomes = browser.port.events().filter(({ type }) => type === "discard_outcome");
  assert.deepEqual(outcomes.map(({ ok }) => ok), [true]);
});

test("a flood of orders is cut off, and the host left", async (t) => {
  const { browser, reported } = await started(t);
  browser.tab = () => new Promise(() => {});
  const { port } = browser;
  for (let decision = 1; decision <= 5_000; decision += 1) {
    void port.says({ type: "discard_tab", decision, tab: 2, host: null });
  }
  await settle();
  assert.equal(port.isDead, true);
  assert.ok(reported.mock.calls.some(({ arguments: [, what] }) => what === "The host sends more than it may."));
  const intents = Object.keys(browser.stored.session).filter((key) => key.startsWith("intent:"));
  assert.ok(intents.length <= 16, `${intents.length} orders are kept`);
});

for (const [name, said] of [
  ["greetings", HELLO],
  ["complaints", { type: "error", code: "event_gap", message: "gap", expected: 1 }],
  ["words that mean nothing", { type: "constructor" }],
]) {
  test(`a flood of ${name} is answered with the end of the connection, and a reason`, async (t) => {
    const { browser } = await started(t);
    const { port } = browser;
    for (let count = 0; count < 2_000; count += 1) void port.says(said);
    await settle();
    assert.equal(port.isDead, true);
    const { connection, waiting } = await browser.listeners.asked({ ask: "view" });
    assert.equal(connection.state, "exited");
    assert.equal(connection.detail, "The host sends more than it may.");
    assert.ok(waiting < 30, `${waiting} events wait`);
    await livesOn(browser);
  });
}

test("a host that only talks nonsense is not taken for connected, and is left", async (t) => {
  t.mock.method(console, "error", () => {});
  const browser = new FakeBrowser();
  browser.haveTab(1);
  start(browser);
  await settle();
  const { port } = browser;
  await port.says({ type: "constructor" });
  await port.says({ type: "error", code: "constructor", message: "?" });
  await browser.pass(15_000);
  assert.equal(port.isDead, true);
});

for (const last_n of [undefined, null, "0", -1, 1.5, 1e300, {}]) {
  test(`a greeting with the number ${JSON.stringify(last_n)} is none`, async (t) => {
    t.mock.method(console, "error", () => {});
    const browser = new FakeBrowser();
    browser.haveTab(1);
    start(browser);
    await settle();
    await browser.port.says({ ...HELLO, last_n });
    const { connection } = await browser.listeners.asked({ ask: "view" });
    assert.equal(connection.state, "exited");
    assert.equal(connection.detail, "The host's greeting makes no sense.");
  });
}

test("a gap far beyond the last event, and then an acknowledgement, remove nothing", async (t) => {
  const { browser } = await started(t);
  browser.port.close();
  browser.update(2, { pinned: true });
  await settle();
  const kept = Object.keys(browser.stored.session).filter((key) => key.startsWith("event:"));
  await browser.pass(1_000);
  await browser.port.says({ type: "error", code: "event_gap", message: "gap", expected: 2 ** 50 });
  await browser.port.says({ type: "ack", n: 2 ** 50 });
  await settle();
  // The host may say that it has what it was sent, and this was not.
  assert.ok(kept.at(-1) in browser.stored.session);
});

test("a long text is cut before it is kept", async (t) => {
  const { browser } = await started(t);
  const long = "x".repeat(1_000_000);
  await browser.port.says({ type: "error", code: "log_unavailable", message: long, fix: long });
  const view = browser.listeners.asked({ ask: "view" });
  await browser.pass(5_000);
  const { connection } = await view;
  assert.equal(connection.detail.length, 500);
  assert.equal(connection.fix.length, 500);
});

test("words that are names of an object's own parts are only words", () => {
  const recent = {
    decision: 1, tab: 1, host: null, t_ms: 0, mode: "enforce", outcome: "refused", why: "constructor",
    reasons: ["toString"], level: "__proto__", score: 0, idle_ms: 0, ttl_ms: 0, in_focus: false,
    familiarity: 1, bytes: null,
  };
  assert.equal(reasonText("toString"), "toString");
  assert.equal(levelText("__proto__"), "__proto__");
  assert.match(outcomeText(recent, 0), /constructor$/);
  assert.match(whyText({ ...recent, reasons: [] }), /^__proto__/);
});

test("nothing gets into a page but as text", () => {
  const folder = new URL("../pages/", import.meta.url);
  const scripts = readdirSync(folder).filter((name) => name.endsWith(".js"));
  assert.ok(scripts.length > 3);
  for (const name of scripts) {
    const source = readFileSync(new URL(name, folder), "utf8");
    assert.doesNotMatch(source, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|DOMParser/, name);
  }
});
