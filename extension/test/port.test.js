import assert from "node:assert/strict";
import { test } from "node:test";

import { ALARM, HostPort } from "../background/port.js";
import { Store } from "../background/store.js";
import { FakeBrowser, settle } from "./fake-browser.js";

async function connecting(browser = new FakeBrowser()) {
  const store = new Store(browser.session);
  const heard = [];
  const port = new HostPort(browser, await store.load(), store, "a-session", {
    firstN: () => 6,
    onHello: (hello) => heard.push(["hello", hello.last_n]),
    onGone: () => heard.push(["gone"]),
    onMessage: (message) => heard.push([message.type]),
    onChange: () => {},
  });
  port.connect();
  await settle();
  return { browser, port, heard };
}

const HELLO = { type: "hello", protocol: 1, host_version: "1.2.3", last_n: 5 };

test("the first message says who speaks", async () => {
  const { browser } = await connecting();
  assert.deepEqual(browser.port.sent, [
    {
      type: "hello",
      protocol: [1, 1],
      browser: "Chromium",
      browser_version: "156.0.0.0",
      extension_version: "0.1.0",
      extension_session: "a-session",
      first_n: 6,
      incognito: false,
    },
  ]);
});

test("who connects twice has one port", async () => {
  const browser = new FakeBrowser();
  const { identity } = browser;
  let goOn = () => {};
  browser.identity = async () => {
    await new Promise((resolve) => (goOn = () => resolve(undefined)));
    return identity();
  };
  const { port } = await connecting(browser);
  const first = goOn;
  port.connect();
  await settle();
  goOn();
  first();
  await settle();
  port.connect();
  await settle();
  assert.equal(browser.ports.length, 1);
});

test("connected is who was answered, not who has a port", async () => {
  const { browser, port, heard } = await connecting();
  assert.equal(port.connection.state, "connecting");
  await assert.rejects(port.request({ type: "status" }), { code: "no_host" });
  await browser.port.says(HELLO);
  assert.equal(port.connection.state, "connected");
  assert.equal(port.connection.host_version, "1.2.3");
  assert.deepEqual(heard, [["hello", 5]]);
  assert.deepEqual(browser.alarms.get(ALARM), { periodInMinutes: 1 });
});

test("requests find their answers, in any order", async () => {
  const { browser, port } = await connecting();
  await browser.port.says(HELLO);
  const first = port.request({ type: "status" });
  const second = assert.rejects(port.request({ type: "change_policy", preset: "x" }), {
    code: "bad_policy",
    message: "no such preset",
    field: "preset",
  });
  const [, a, b] = browser.port.sent;
  await browser.port.says({
    type: "error",
    request: b.request,
    code: "bad_policy",
    message: "no such preset",
    field: "preset",
  });
  await browser.port.says({ type: "status", request: a.request, score: 3 });
  assert.equal((await first).score, 3);
  await second;
});

test("a request that is not answered fails, and so does one whose host leaves", async () => {
  const { browser, port } = await connecting();
  await browser.port.says(HELLO);
  const slow = assert.rejects(port.request({ type: "status" }), { code: "no_answer" });
  await browser.pass(5_000);
  await slow;
  const left = assert.rejects(port.request({ type: "status" }), { code: "no_host" });
  browser.port.close();
  await left;
});

test("the reason for a lost connection", async () => {
  for (const [reason, state] of [
    ["Specified native messaging host not found.", "host_missing"],
    ["No such native application org.tab_orchestrator.host", "host_missing"],
    ["Access to the specified native messaging host is forbidden.", "forbidden"],
    ["Native host has exited.", "exited"],
    ["Error when communicating with the native messaging host.", "exited"],
    [null, "exited"],
  ]) {
    const browser = new FakeBrowser();
    browser.refusal = reason;
    const { port } = await connecting(browser);
    assert.equal(port.connection.state, state, String(reason));
    assert.equal(port.connection.detail, reason);
  }
});

test("what the host says before it leaves counts for more than that it left", async () => {
  for (const [code, state] of [
    ["forbidden_origin", "forbidden"],
    ["protocol_mismatch", "protocol_mismatch"],
    ["log_locked", "log_unavailable"],
  ]) {
    const { browser, port } = await connecting();
    await browser.port.says({ type: "error", code, message: "why", fix: "do this" });
    browser.port.close();
    const { state: found, detail, fix } = port.connection;
    assert.deepEqual({ found, detail, fix }, { found: state, detail: "why", fix: "do this" });
  }
});

test("a host without a log answers, and is connected when its log is there again", async () => {
  const { browser, port, heard } = await connecting();
  await browser.port.says({ type: "error", code: "log_unavailable", message: "disk full" });
  assert.equal(port.connection.state, "log_unavailable");
  const status = port.request({ type: "status" });
  await browser.port.says({ type: "status", request: 1 });
  await status;
  await browser.port.says(HELLO);
  assert.equal(port.connection.state, "connected");
  assert.equal(port.connection.detail, null);
  assert.deepEqual(heard, [["error"], ["hello", 5]]);
});

test("it comes back half a second after a good connection was lost", async () => {
  const { browser, port, heard } = await connecting();
  await browser.port.says(HELLO);
  await browser.pass(60_000);
  browser.port.close();
  assert.equal(port.connection.state, "exited");
  assert.equal(port.connection.next_attempt_ms, browser.time + 500);
  await browser.pass(499);
  assert.equal(browser.ports.length, 1);
  await browser.pass(1);
  assert.equal(browser.ports.length, 2);
  await browser.port.says(HELLO);
  assert.deepEqual(heard, [["hello", 5], ["gone"], ["hello", 5]]);
});

test("a clock that is set back does not make a good host one that says too much", async (t) => {
  const reported = t.mock.method(console, "error", () => {});
  const { browser, port } = await connecting();
  await browser.port.says(HELLO);
  browser.setBy = -3_600_000;
  for (let second = 0; second < 1_100; second += 1) {
    browser.time += 1_000;
    await browser.port.says({ type: "ack", n: second });
  }
  assert.equal(port.connection.state, "connected");
  assert.equal(reported.mock.callCount(), 0);
});

test("a connection was as good as it was long, whatever the clock was set to", async () => {
  const { browser, port } = await connecting();
  for (let failure = 0; failure < 3; failure += 1) {
    browser.port.close();
    await browser.pass(10_000);
  }
  await browser.port.says(HELLO);
  browser.setBy = -3_600_000;
  await browser.pass(60_000);
  browser.port.close();
  assert.equal(port.connection.next_attempt_ms, browser.now() + 500);
});

test("it tries less and less often, up to five minutes, with an alarm behind the timer", async () => {
  const browser = new FakeBrowser();
  browser.refusal = "Specified native messaging host not found.";
  const { port } = await connecting(browser);
  const waits = [];
  for (let attempt = 0; attempt < 13; attempt += 1) {
    const wait = port.connection.next_attempt_ms - browser.time;
    waits.push(wait);
    assert.deepEqual(browser.alarms.get(ALARM), { when: browser.time + Math.max(wait, 30_000) });
    await browser.pass(wait);
    assert.equal(browser.ports.length, attempt + 2);
  }
  assert.deepEqual(waits.slice(0, 5), [500, 1_000, 2_000, 4_000, 8_000]);
  assert.equal(waits.at(-1), 300_000);
});

test("a host that leaves right after its hello is not tried at full speed", async () => {
  const { browser, port } = await connecting();
  for (const wait of [500, 1_000, 2_000]) {
    await browser.port.says(HELLO);
    browser.port.close();
    assert.equal(port.connection.next_attempt_ms, browser.time + wait);
    await browser.pass(wait);
  }
});

test("the attempts of a worker that died count", async () => {
  const browser = new FakeBrowser();
  browser.refusal = "Specified native messaging host not found.";
  await connecting(browser);
  await browser.pass(4_000);
  browser.killWorker();
  const { port } = await connecting(browser);
  assert.equal(port.connection.next_attempt_ms, browser.time + 8_000);
});

test("chance moves an attempt forward by a fifth at most", async () => {
  const browser = new FakeBrowser();
  browser.random = () => 0;
  browser.refusal = "Native host has exited.";
  const { port } = await connecting(browser);
  assert.equal(port.connection.next_attempt_ms, browser.time + 400);
});

test("the alarm connects when it is time, and not sooner", async () => {
  const browser = new FakeBrowser();
  browser.refusal = "Native host has exited.";
  const { port } = await connecting(browser);
  browser.timers = [];
  port.connectWhenDue();
  await settle();
  assert.equal(browser.ports.length, 1);
  browser.time += 30_000;
  port.connectWhenDue();
  await settle();
  assert.equal(browser.ports.length, 2);
});

test("a host that never answers is left", async () => {
  const { browser, port } = await connecting();
  const [silent] = browser.ports;
  await browser.pass(15_000);
  assert.equal(silent.isDead, true);
  assert.equal(port.connection.state, "exited");
  assert.equal(port.connection.detail, "The host did not answer.");
});

test("there is one connection at a time", async () => {
  const { browser, port } = await connecting();
  port.connect();
  port.connectWhenDue();
  await settle();
  assert.equal(browser.ports.length, 1);
});
