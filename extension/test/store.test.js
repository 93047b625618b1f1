import assert from "node:assert/strict";
import { test } from "node:test";

import { openSession } from "../background/session.js";
import { Sequence } from "../background/sequence.js";
import { Store } from "../background/store.js";
import { FakeBrowser, settle } from "./fake-browser.js";

test("what is put in one turn is written by one call", async () => {
  const browser = new FakeBrowser();
  const writes = [];
  const { set } = browser.session;
  browser.session.set = (items) => {
    writes.push(Object.keys(items));
    return set(items);
  };
  const store = new Store(browser.session);
  store.put("a", 1);
  store.put("b", 2);
  store.put("a", 3);
  await store.written();
  assert.deepEqual(writes, [["a", "b"]]);
  assert.deepEqual(browser.stored.session, { a: 3, b: 2 });
});

/** Storage that does in order what it is asked, when it is told to. */
function slowly(area) {
  const waiting = [];
  const later = (job) =>
    new Promise((resolve, reject) => {
      waiting.push((fault) => (fault ? reject(fault) : job().then(resolve, reject)));
    });
  return {
    waiting,
    get: area.get,
    set: (items) => {
      const now = structuredClone(items);
      return later(() => area.set(now));
    },
    remove: (keys) => later(() => area.remove(keys)),
  };
}

test("no write waits for the one before, and the last word on a key is the last one written", async () => {
  const browser = new FakeBrowser();
  const area = slowly(browser.session);
  const store = new Store(area);
  store.put("a", "first");
  await settle();
  store.put("a", "second");
  store.put("b", "x");
  store.drop("b");
  await settle();
  assert.equal(area.waiting.length, 2);
  const written = store.written();
  while (area.waiting.length > 0) {
    area.waiting.shift()();
    await settle();
  }
  await written;
  assert.deepEqual(browser.stored.session, { a: "second" });
});

test("a write that failed takes back nothing that was said after it", async () => {
  const browser = new FakeBrowser();
  const area = slowly(browser.session);
  const store = new Store(area);
  store.put("a", "first");
  store.put("b", 1);
  store.drop("c");
  await settle();
  store.put("a", "second");
  store.put("c", 2);
  await settle();
  area.waiting.shift()(new Error("quota"));
  await settle();
  const written = store.written();
  await settle();
  while (area.waiting.length > 0) {
    area.waiting.shift()();
    await settle();
  }
  await written;
  assert.deepEqual(browser.stored.session, { a: "second", b: 1, c: 2 });
});

test("a key that goes and comes again at once is there", async () => {
  const browser = new FakeBrowser();
  const area = slowly(browser.session);
  const store = new Store(area);
  store.drop("a");
  await settle();
  store.put("a", 1);
  await settle();
  while (area.waiting.length > 0) {
    area.waiting.shift()();
    await settle();
  }
  assert.deepEqual(browser.stored.session, { a: 1 });
});

test("who waits hears that a write failed, and the next write makes up for it", async () => {
  const browser = new FakeBrowser();
  const store = new Store(browser.session);
  browser.failingWrites = 1;
  store.put("a", 1);
  await assert.rejects(store.written(), /quota/);
  store.put("b", 2);
  await store.written();
  assert.deepEqual(browser.stored.session, { a: 1, b: 2 });
});

test("a worker that dies in a write has stored all of it or nothing", async () => {
  const browser = new FakeBrowser();
  const store = new Store(browser.session);
  store.put("old", 1);
  await store.written();
  // What takes more than one call, the worker does not live to see.
  browser.session.remove = () => new Promise(() => {});
  store.drop("old");
  store.put("new", 2);
  await settle();
  assert.deepEqual(await new Store(browser.session).load(), { new: 2 });
});

test("nothing to write is written at once", async () => {
  await new Store(new FakeBrowser().session).written();
});

test("a session is new when the browser starts, and known when the worker wakes", async () => {
  const browser = new FakeBrowser();
  const store = new Store(browser.session);
  const first = openSession(await store.load(), store, browser);
  await store.written();
  const second = openSession(await store.load(), store, browser);
  assert.equal(first.isNew, true);
  assert.deepEqual(second, { id: first.id, isNew: false });
});

test("jobs run in their order, and one that fails stops none", async (t) => {
  const reported = t.mock.method(console, "error", () => {});
  const sequence = new Sequence();
  const done = [];
  sequence.run(async () => {
    await settle();
    done.push(1);
  });
  sequence.run(() => {
    throw new Error("no");
  });
  sequence.run(() => done.push(3));
  await sequence.idle();
  assert.deepEqual(done, [1, 3]);
  assert.equal(reported.mock.callCount(), 1);
});
