import assert from "node:assert/strict";
import { test } from "node:test";

import { KEPT_EVENTS, Outbox } from "../background/outbox.js";
import { Store } from "../background/store.js";
import { FakeBrowser, FakePort, settle } from "./fake-browser.js";

/** An outbox on what the browser has stored. */
async function outboxOf(browser) {
  const store = new Store(browser.session);
  const lost = [];
  const outbox = new Outbox(await store.load(), store, () => lost.push("lost"));
  return { outbox, store, lost };
}

function append(outbox, count, first = 1) {
  for (let tab = first; tab < first + count; tab += 1) {
    outbox.append(1_000 + tab, { type: "tab_closed", tab });
  }
}

const numbers = (port) => port.events().map(({ n }) => n);
const open = (outbox, lastN) => {
  const port = new FakePort();
  outbox.open(lastN, (message) => port.post(message));
  return port;
};
const stored = (browser) =>
  Object.keys(browser.stored.session)
    .filter((key) => key.startsWith("event:"))
    .map((key) => Number(key.slice("event:".length)))
    .sort((a, b) => a - b);

test("events are numbered from 1, stored, and sent in their order", async () => {
  const browser = new FakeBrowser();
  const { outbox } = await outboxOf(browser);
  const port = open(outbox, 0);
  append(outbox, 3);
  assert.deepEqual(port.sent, [], "nothing is sent before it is stored");
  await settle();
  assert.deepEqual(port.events(), [
    { type: "tab_closed", tab: 1, n: 1, at_ms: 1_001 },
    { type: "tab_closed", tab: 2, n: 2, at_ms: 1_002 },
    { type: "tab_closed", tab: 3, n: 3, at_ms: 1_003 },
  ]);
  assert.deepEqual(stored(browser), [1, 2, 3]);
});

test("what is acknowledged is no longer kept, and not sent again", async () => {
  const browser = new FakeBrowser();
  const { outbox } = await outboxOf(browser);
  open(outbox, 0);
  append(outbox, 5);
  await settle();
  outbox.acknowledge(3);
  await settle();
  assert.deepEqual(stored(browser), [4, 5]);
  assert.equal(outbox.waiting, 2);
  assert.deepEqual(numbers(open(outbox, 3)), [4, 5]);
});

test("an acknowledgement of what was never sent removes nothing", async () => {
  const browser = new FakeBrowser();
  const { outbox } = await outboxOf(browser);
  open(outbox, 0);
  append(outbox, 1);
  await settle();
  outbox.close();
  append(outbox, 1, 2);
  await settle();
  outbox.acknowledge(99);
  await settle();
  assert.deepEqual(stored(browser), [2]);
});

test("what could not be stored is told, though the worker died before it heard of that", async () => {
  const browser = new FakeBrowser();
  const first = await outboxOf(browser);
  append(first.outbox, 1);
  open(first.outbox, 0);
  await settle();
  first.outbox.acknowledge(1);
  await settle();
  browser.session.set = (items) => {
    const isLost = "event:2" in items;
    if (!isLost) Object.assign(browser.stored.session, structuredClone(items));
    return new Promise(() => {});
  };
  append(first.outbox, 1, 2);
  await settle();
  append(first.outbox, 2, 3);
  await settle();
  const { outbox } = await outboxOf(browser);
  const { sent } = open(outbox, 1);
  assert.deepEqual(sent[0], { type: "lost", from: 2, count: 1, why: "storage_failed" });
  assert.deepEqual(sent[1].events.map(({ n }) => n), [3, 4]);
});

test("events wait while there is no host", async () => {
  const browser = new FakeBrowser();
  const { outbox } = await outboxOf(browser);
  append(outbox, 2);
  await settle();
  assert.equal(outbox.waiting, 2);
  assert.deepEqual(numbers(open(outbox, 0)), [1, 2]);
});

test("a host that died and comes back gets what it had not synced", async () => {
  const browser = new FakeBrowser();
  const { outbox } = await outboxOf(browser);
  open(outbox, 0);
  append(outbox, 4);
  await settle();
  outbox.close();
  append(outbox, 1, 5);
  await settle();
  // Its log has 1 to 3, but it never said that they are synced.
  assert.deepEqual(numbers(open(outbox, 3)), [4, 5]);
  await settle();
  assert.deepEqual(stored(browser), [1, 2, 3, 4, 5]);
  // Should it lose them after all, they are there.
  assert.deepEqual(numbers(open(outbox, 1)), [2, 3, 4, 5]);
});

test("a worker that died goes on with the next number and resends what waited", async () => {
  const browser = new FakeBrowser();
  const first = await outboxOf(browser);
  open(first.outbox, 0);
  append(first.outbox, 3);
  await settle();
  first.outbox.acknowledge(2);
  await settle();

  const next = await outboxOf(browser);
  append(next.outbox, 1, 4);
  await settle();
  assert.deepEqual(numbers(open(next.outbox, 2)), [3, 4]);
  assert.deepEqual(stored(browser), [3, 4]);
});

test("a worker that died when all was acknowledged still does not use a number twice", async () => {
  const browser = new FakeBrowser();
  const first = await outboxOf(browser);
  open(first.outbox, 0);
  append(first.outbox, 3);
  await settle();
  first.outbox.acknowledge(3);
  await settle();

  const next = await outboxOf(browser);
  const port = open(next.outbox, 3);
  append(next.outbox, 1, 4);
  await settle();
  assert.deepEqual(numbers(port), [4]);
});

test("a worker that died before an event was stored has not sent it either", async () => {
  const browser = new FakeBrowser();
  const first = await outboxOf(browser);
  const port = open(first.outbox, 0);
  browser.session.set = () => new Promise(() => {});
  append(first.outbox, 1);
  await settle();
  assert.deepEqual(port.sent, []);

  const next = await outboxOf(browser);
  assert.equal(next.outbox.waiting, 0);
});

test("the next number is above what the log has, whatever the store says", async () => {
  const { outbox } = await outboxOf(new FakeBrowser());
  const port = open(outbox, 40);
  append(outbox, 1);
  await settle();
  assert.deepEqual(numbers(port), [41]);
});

test("a log that begins anew in mid-session takes what comes", async () => {
  const browser = new FakeBrowser();
  const { outbox } = await outboxOf(browser);
  open(outbox, 0);
  append(outbox, 3);
  await settle();
  outbox.acknowledge(2);
  assert.deepEqual(numbers(open(outbox, 0)), [3]);
});

test("a host that finds a gap gets the rest again", async () => {
  const { outbox } = await outboxOf(new FakeBrowser());
  const port = open(outbox, 0);
  append(outbox, 3);
  await settle();
  port.sent.length = 0;
  outbox.sendAgain(2);
  assert.deepEqual(numbers(port), [2, 3]);
});

test("a host that misses what was acknowledged is told that it is lost", async () => {
  const { outbox } = await outboxOf(new FakeBrowser());
  open(outbox, 0);
  append(outbox, 5);
  await settle();
  outbox.acknowledge(4);
  assert.deepEqual(open(outbox, 2).events(), [
    { type: "lost", from: 3, count: 2, why: "not_in_log" },
    { type: "tab_closed", tab: 5, n: 5, at_ms: 1_005 },
  ]);
});

test("a message holds 256 events at most", async () => {
  const { outbox } = await outboxOf(new FakeBrowser());
  append(outbox, 600);
  await settle();
  const port = open(outbox, 0);
  assert.deepEqual(
    port.sent.map(({ events }) => events.length),
    [256, 256, 88],
  );
});

test("a message stays far below what the host takes", async () => {
  const { outbox } = await outboxOf(new FakeBrowser());
  const tabs = Array.from({ length: 1_500 }, (_, tab) => ({ tab, win: 1, host: "a".repeat(200) }));
  for (let index = 0; index < 4; index += 1) {
    outbox.append(1, { type: "session_started", windows: [], tabs, idle: null });
  }
  await settle();
  const port = open(outbox, 0);
  assert.equal(numbers(port).length, 4);
  assert.ok(port.sent.every((message) => JSON.stringify(message).length < 1_000_000));
});

test("a full outbox gives up all it holds, and says from where and how many", async () => {
  const browser = new FakeBrowser();
  const { outbox, lost } = await outboxOf(browser);
  open(outbox, 0);
  append(outbox, KEPT_EVENTS);
  await settle();
  outbox.acknowledge(10);
  outbox.close();
  append(outbox, 11, KEPT_EVENTS + 1);
  await settle();
  assert.deepEqual(lost, ["lost"]);
  assert.equal(outbox.waiting, 1);
  const full = KEPT_EVENTS + 10;
  const expect = [
    { type: "lost", from: 11, count: full - 10, why: "outbox_full" },
    { type: "tab_closed", tab: full + 1, n: full + 1, at_ms: 1_001 + full },
  ];
  assert.deepEqual(open(outbox, 10).events(), expect);
  assert.deepEqual(stored(browser), [full, full + 1], "room was made");

  // The same after the worker's death, and acknowledged as one.
  const next = await outboxOf(browser);
  assert.deepEqual(open(next.outbox, 10).events(), expect);
  next.outbox.acknowledge(full + 1);
  await settle();
  assert.deepEqual(stored(browser), []);
});

test("a worker that dies while it makes room leaves no event that was given up", async () => {
  const browser = new FakeBrowser();
  Object.assign(browser.stored.session, {
    last_n: 4,
    "event:2": { type: "tab_closed", tab: 2, n: 2, at_ms: 1 },
    "event:3": { from: 1, count: 3, why: "outbox_full" },
    "event:4": { type: "tab_closed", tab: 4, n: 4, at_ms: 1 },
  });
  const { outbox } = await outboxOf(browser);
  assert.deepEqual(open(outbox, 0).events(), [
    { type: "lost", from: 1, count: 3, why: "outbox_full" },
    { type: "tab_closed", tab: 4, n: 4, at_ms: 1 },
  ]);
});

test("a store that takes no more costs what waits, never what comes", async (t) => {
  t.mock.method(console, "error", () => {});
  const browser = new FakeBrowser();
  const { outbox, lost } = await outboxOf(browser);
  const port = open(outbox, 0);
  append(outbox, 2);
  await settle();
  browser.failingWrites = 1;
  append(outbox, 1, 3);
  await settle();
  append(outbox, 1, 4);
  await settle();
  assert.deepEqual(lost, ["lost"]);
  assert.deepEqual(port.events().slice(2), [
    { type: "lost", from: 1, count: 3, why: "storage_failed" },
    { type: "tab_closed", tab: 4, n: 4, at_ms: 1_004 },
  ]);
  assert.deepEqual(stored(browser), [3, 4]);
});

test("whatever dies and whenever: each event reaches the log once, in order, or is told as lost", async () => {
  // A small generator, so that every run is the same one.
  let state = 42;
  const chance = (of) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * of);
  };
  const browser = new FakeBrowser();
  /** What the host's log has, and up to where it is synced: a crash of the host cuts it there. */
  let log = [];
  let synced = 0;
  let produced = 0;
  let read = 0;
  let port = null;
  let parts = await outboxOf(browser);
  const receive = () => {
    for (const event of port?.events().slice(read) ?? []) {
      assert.equal(event.type, "tab_closed");
      if (event.n <= log.length) continue;
      assert.equal(event.n, log.length + 1, "no gap");
      log.push(event.tab);
    }
    read = port?.events().length ?? 0;
  };
  const connect = () => {
    read = 0;
    port = open(parts.outbox, log.length);
  };
  for (let step = 0; step < 3_000; step += 1) {
    switch (chance(8)) {
      case 0: // the worker dies, with what was stored so far
        await settle();
        receive();
        parts = await outboxOf(browser);
        port = null;
        break;
      case 1: // the host dies: what was not synced is gone
        log = log.slice(0, synced);
        parts.outbox.close();
        port = null;
        break;
      case 2:
        if (port === null) connect();
        break;
      case 3:
        receive();
        synced = log.length;
        if (port !== null) parts.outbox.acknowledge(synced);
        break;
      case 4:
        await settle();
        break;
      default:
        append(parts.outbox, 1, (produced += 1));
    }
  }
  await settle();
  if (port === null) connect();
  await settle();
  receive();
  assert.ok(produced > 500);
  assert.deepEqual(log, Array.from({ length: produced }, (_, index) => index + 1));
});
