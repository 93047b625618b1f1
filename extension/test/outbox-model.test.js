// The real outbox and the real port against a model of everything around them: a host that may
// crash, lose what it had not synced, refuse, or have no log; pipes that close, and on top of what
// pipes do drop, double, delay and reorder; a store that fails; a worker that dies at any moment.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";

import { Outbox } from "../background/outbox.js";
import { HostPort } from "../background/port.js";
import { Store } from "../background/store.js";
import { FakeBrowser, settle } from "./fake-browser.js";

/** Small, so that an outbox is often full. */
const ROOM = { events: 6, bytes: 100_000 };

/** Fixed, so that each run is the same. SEED=… tries others. */
const SEED = Number(process.env.SEED ?? 1);
const RUNS = Number(process.env.RUNS ?? 400);

// --- The model of the host ---------------------------------------------------------------------

/** What PROTOCOL.md says of the host, and no more. */
class ModelHost {
  /** Lines of the log: an event, or the gap that a `lost` or a refusal leaves. */
  log = [];
  /** How many of them survive a crash. */
  synced = 0;
  hasLog = true;
  /** Whether it knows who speaks: nothing happens before. */
  isGreeted = false;
  /** The event that the log has to begin with, where that is known. */
  first = undefined;
  /** What it was told under a number that it has already. */
  reused = [];

  get lastN() {
    return this.log.at(-1)?.n ?? 0;
  }

  /** What it says when it is greeted, and when its log comes back. */
  hello() {
    if (!this.isGreeted) return [];
    if (!this.hasLog) return [{ type: "error", code: "log_unavailable", message: "no log" }];
    return [{ type: "hello", host_version: "1", last_n: this.lastN }];
  }

  /** @returns {object[]} what it answers */
  hears(message) {
    if (message.type === "hello") {
      this.isGreeted = true;
      this.first = message.first_n;
      return this.hello();
    }
    if (!this.isGreeted) return [{ type: "error", code: "hello_expected", message: "who?" }];
    if (!this.hasLog) return [];
    if (message.type === "events") return this.#hearsEvents(message.events);
    if (message.type === "lost") return this.#hearsLost(message);
    return [];
  }

  #hearsEvents(events) {
    for (const { n, at_ms, isBad } of events) {
      if (n <= this.lastN) {
        const known = this.log.find((line) => line.n === n);
        if (known?.at_ms !== undefined && known.at_ms !== at_ms) this.reused.push(n);
      } else if (this.#isTooFar(n)) {
        return this.#gap();
      } else if (isBad) {
        this.log.push({ n, from: n, count: 1, why: "bad_event", at_ms: undefined });
      } else {
        this.log.push({ n, from: n, count: 0, at_ms });
      }
    }
    return [];
  }

  #hearsLost({ from, count, why }) {
    const last = from + count - 1;
    if (last <= this.lastN) return [];
    if (this.#isTooFar(from)) return this.#gap();
    const first = this.log.length === 0 ? from : Math.max(from, this.lastN + 1);
    this.log.push({ n: last, from: first, count: last - first + 1, why });
    return [];
  }

  #isTooFar(n) {
    if (this.log.length > 0) return n > this.lastN + 1;
    return this.first !== undefined && n > this.first;
  }

  #gap() {
    const expected = this.log.length > 0 ? this.lastN + 1 : this.first;
    return [{ type: "error", code: "event_gap", message: "gap", expected }];
  }

  /** Syncs all it has, and says so. */
  syncs() {
    if (!this.hasLog || this.log.length === 0) return [];
    this.synced = this.log.length;
    return [{ type: "ack", n: this.lastN }];
  }

  /** Dies, with some of what was not synced. */
  crashes(survivors) {
    this.log.length = Math.min(this.log.length, this.synced + survivors);
    // What is read back at the start is synced then.
    this.synced = this.log.length;
  }

  /** It ends with its port, and another one is started. */
  restarts() {
    this.isGreeted = false;
  }
}

// --- The world around it -----------------------------------------------------------------------

class World {
  browser = new FakeBrowser();
  host = new ModelHost();
  toHost = [];
  toExtension = [];
  /** Events by the number that they were stored under. */
  stored = new Map();
  /** When each event happened, which tells it from all others. */
  made = [];
  /** Those whose worker died before they were stored: nobody can know of them. */
  neverStored = new Set();
  wrong = [];
  /** Whether a worker can die between what a write empties and what it fills. */
  tearsWrites = false;
  #time = 0;
  /** Writes of the present worker that the browser has not done yet. */
  #writes = [];
  #hasFailed = false;
  #isOrderly = false;

  constructor(OutboxUnderTest) {
    this.Outbox = OutboxUnderTest;
    // The pipe instead of the port's own list.
    const { connectNative } = this.browser;
    this.browser.connectNative = (name) => {
      const port = connectNative.call(this.browser, name);
      const { post } = port;
      port.post = (message) => {
        post.call(port, message);
        this.toHost.push({ port, message: structuredClone(message) });
      };
      return port;
    };
  }

  async startWorker() {
    this.#writes = [];
    const store = new Store(this.#area());
    const saved = await store.load();
    const outbox = new this.Outbox(saved, store, () => this.happens(), ROOM);
    const port = new HostPort(this.browser, saved, store, "a-session", {
      firstN: () => outbox.firstN,
      onHello: ({ last_n }) => outbox.open(Number(last_n), (message) => port.post(message)),
      onGone: () => outbox.close(),
      onMessage: ({ type, n, code, expected }) => {
        if (type === "ack") outbox.acknowledge(Number(n));
        else if (code === "event_gap") outbox.sendAgain(Number(expected));
      },
      onChange: () => {},
    });
    this.worker = { outbox, port };
    port.connect();
    await settle();
  }

  /** Storage whose writes are done when the world says so. A dead worker's never are. */
  #area() {
    const writes = this.#writes;
    const { session } = this.browser;
    const write = (job) =>
      new Promise((resolve, reject) => {
        const done = async (fails) => {
          if (fails) {
            this.#hasFailed = true;
            return reject(new Error("Session storage quota bytes exceeded."));
          }
          await job();
          this.#note();
          resolve();
        };
        if (this.#isOrderly) void done(false);
        else writes.push(done);
      });
    return {
      get: session.get,
      set: async (items) => {
        const now = Object.entries(JSON.parse(JSON.stringify(items)));
        const part = (isIn) => Object.fromEntries(now.filter(([, value]) => isIn(value)));
        if (this.tearsWrites) {
          await write(() => session.set(part((value) => value === null)));
          await write(() => session.set(part((value) => value !== null)));
        } else {
          await write(() => session.set(part(() => true)));
        }
      },
      remove: (keys) => write(() => session.remove(keys)),
    };
  }

  /**
   * Remembers what was stored under which number, and that there is an end to it. A write that fails
   * frees nothing, and those on their way with it come on top.
   */
  #note() {
    const kept = this.#kept();
    // One more than there is room for: the gap itself.
    if (!this.#hasFailed && kept.length > ROOM.events + 1) this.wrong.push(`${kept.length} events are kept`);
    for (const { at_ms, n } of kept) {
      if (at_ms === undefined) continue;
      const known = this.stored.get(n) ?? at_ms;
      if (known !== at_ms) this.wrong.push(`number ${n} is used for two events`);
      this.stored.set(n, at_ms);
    }
  }

  /** Events and gaps that are in the store. */
  #kept() {
    return Object.entries(this.browser.stored.session)
      .filter(([key, value]) => key.startsWith("event:") && value !== null)
      .map(([, value]) => value);
  }

  /** Something happens in the browser, of which the host may say that it makes no sense. */
  happens(isBad = false) {
    this.#time += 1;
    this.made.push(this.#time);
    this.worker.outbox.append(this.#time, { type: "user_idle", state: "idle", isBad });
  }

  async killWorker(isWritten) {
    const write = this.#writes.shift();
    if (isWritten && write !== undefined) await write(false);
    const known = new Set(this.stored.values());
    for (const at of this.made) if (!known.has(at)) this.neverStored.add(at);
    this.closePipes();
    this.browser.killWorker();
    await this.startWorker();
  }

  /** The port closes, and with it the host ends. */
  closePipes() {
    this.host.restarts();
    this.toHost = [];
    this.toExtension = [];
  }

  /** The host ends, and with it the port; the extension comes back by itself. */
  async crashHost(survivors) {
    this.closePipes();
    this.host.crashes(survivors);
    this.browser.port?.close();
    const next = this.worker.port.connection.next_attempt_ms;
    if (next !== null) await this.browser.pass(Math.max(0, next - this.browser.time));
  }

  #answer(messages) {
    const { port } = this.browser;
    this.toExtension.push(...messages.map((message) => ({ port, message })));
  }

  async act({ what, index, count, yes }) {
    const { browser, host } = this;
    switch (what) {
      case "happens":
        for (let made = 0; made < count; made += 1) this.happens();
        break;
      case "happens_bad":
        this.happens(true);
        break;
      case "write":
        await this.#writes.shift()?.(false);
        break;
      case "write_fails":
        await this.#writes.shift()?.(true);
        break;
      case "host_hears": {
        const heard = this.toHost.shift();
        if (heard?.port === browser.port) this.#answer(host.hears(heard.message));
        break;
      }
      case "extension_hears": {
        const heard = this.toExtension.shift();
        if (heard !== undefined) await heard.port.says(structuredClone(heard.message));
        break;
      }
      case "sync":
        this.#answer(host.syncs());
        break;
      case "drop":
        (yes ? this.toHost : this.toExtension).splice(index % 4, 1);
        break;
      case "double": {
        const pipe = yes ? this.toHost : this.toExtension;
        if (pipe.length > 0) pipe.push(pipe[index % pipe.length]);
        break;
      }
      case "reorder": {
        const pipe = yes ? this.toHost : this.toExtension;
        pipe.push(...pipe.splice(0, 1));
        break;
      }
      case "kill_worker":
        await this.killWorker(yes);
        break;
      case "kill_host":
        await this.crashHost(index % 3);
        break;
      case "log_fails":
        host.hasLog = false;
        host.crashes(index % 3);
        this.#answer([{ type: "error", code: "log_unavailable", message: "disk full" }]);
        break;
      case "log_is_back":
        host.hasLog = true;
        this.#answer(host.hello());
        break;
      default:
        throw new Error(`no action ${what}`);
    }
    await settle();
  }

  /** Everything works again, until nothing waits any more. */
  async comeToRest() {
    while (this.#writes.length > 0) await this.act({ what: "write" });
    this.#isOrderly = true;
    this.host.hasLog = true;
    await settle();
    await this.crashHost(0);
    // A write that failed is tried again when something happens.
    this.happens();
    for (let turn = 0; turn < 20; turn += 1) {
      await this.browser.pass(1_000);
      while (this.toHost.length + this.toExtension.length > 0) {
        await this.act({ what: "host_hears" });
        await this.act({ what: "extension_hears" });
      }
      await this.act({ what: "sync" });
    }
  }

  /** What must hold at rest. Returns what does not. */
  judge() {
    const { host, stored, wrong } = this;
    wrong.push(...host.reused.map((n) => `number ${n} came for two events`));
    const kept = this.#kept();
    if (kept.length > 0) wrong.push(`${JSON.stringify(kept)} are kept for ever`);

    let next = 1;
    for (const { n, from, count } of host.log) {
      if (from !== next) wrong.push(`${from} follows ${next - 1}`);
      if (count > 0 && from + count - 1 !== n) wrong.push(`a gap of ${count} from ${from} to ${n}`);
      next = n + 1;
    }
    const lastN = Number(this.browser.stored.session.last_n ?? 0);
    if (next !== lastN + 1) wrong.push(`${lastN} events were numbered, the log ends with ${next - 1}`);

    const inLog = new Map(host.log.flatMap(({ n, at_ms }) => (at_ms === undefined ? [] : [[n, at_ms]])));
    const isLost = (n) => host.log.some(({ from, count }) => count > 0 && from <= n && n < from + count);
    for (const [n, at] of stored) {
      if (inLog.get(n) !== at && !isLost(n)) wrong.push(`event ${n} was stored and is not in the log`);
      if (inLog.has(n) && isLost(n)) wrong.push(`event ${n} is in the log and told as lost`);
    }
    const times = [...inLog.values()];
    if (new Set(times).size !== times.length) wrong.push("an event is in the log twice");
    const known = new Set([...times, ...stored.values()]);
    // What was given up before it was stored has a number, too: it is in a gap.
    const gone = this.made.filter((at) => !known.has(at) && !this.neverStored.has(at)).length;
    const lost = host.log.reduce((sum, { count }) => sum + count, 0);
    const lostStored = [...stored].filter(([n]) => isLost(n)).length;
    if (lost < lostStored + gone) wrong.push(`${lostStored + gone} were given up, the log says ${lost}`);
    for (const { why } of host.log) {
      if (why === "not_in_log") wrong.push("the log misses what it had acknowledged");
    }
    return wrong;
  }
}

const actions = fc.array(
  fc.record({
    what: fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom("happens", "write") },
      { weight: 6, arbitrary: fc.constantFrom("host_hears", "extension_hears", "sync") },
      { weight: 2, arbitrary: fc.constantFrom("happens_bad", "write_fails", "drop", "double", "reorder") },
      { weight: 1, arbitrary: fc.constantFrom("kill_worker", "kill_host", "log_fails", "log_is_back") },
    ),
    index: fc.nat(8),
    count: fc.integer({ min: 1, max: 4 }),
    yes: fc.boolean(),
  }),
  { maxLength: 80, size: "max" },
);

/** The property, for an outbox. Returns what fast-check found. */
async function found(OutboxUnderTest, prepare = () => {}) {
  const property = fc.asyncProperty(actions, async (list) => {
    const world = new World(OutboxUnderTest);
    prepare(world);
    await world.startWorker();
    for (const action of list) await world.act(action);
    await world.comeToRest();
    assert.deepEqual(world.judge(), []);
  });
  return fc.check(property, { seed: SEED, numRuns: RUNS });
}

/** The console is where the extension reports faults, and there are many of them here. */
const quietly = (t) => t.mock.method(console, "error", () => {});

test("whatever dies and gets lost, each event is in the log once or told as lost", async (t) => {
  quietly(t);
  const { failed, counterexample, errorInstance } = await found(Outbox);
  assert.ok(!failed, `${errorInstance?.message}\nafter ${JSON.stringify(counterexample)}`);
});

test("the property finds an outbox that forgets an event too early", async (t) => {
  quietly(t);
  class Forgetful extends Outbox {
    acknowledge(n) {
      super.acknowledge(n + 1);
    }
  }
  assert.ok((await found(Forgetful)).failed);
});

test("the property finds a store that removes what goes before the rest is there", async (t) => {
  quietly(t);
  const result = await found(Outbox, (world) => {
    world.tearsWrites = true;
  });
  assert.ok(result.failed);
});

test("the property finds a host that acknowledges what it has not synced", async (t) => {
  quietly(t);
  const result = await found(Outbox, ({ host }) => {
    host.syncs = () => (host.hasLog && host.log.length > 0 ? [{ type: "ack", n: host.lastN }] : []);
  });
  assert.ok(result.failed);
});
