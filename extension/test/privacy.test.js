import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { statusFrom } from "../background/answers.js";
import { start } from "../background/main.js";
import { FakeBrowser, settle } from "./fake-browser.js";

/** @param {string} path */
const read = (path) => readFile(new URL(`../${path}`, import.meta.url), "utf8");

// Private windows: the browser does not run the extension in them; what would come from one is
// dropped; and the host refuses it, which its own tests hold.

test("the browser is told not to run the extension in private windows", async () => {
  assert.equal(JSON.parse(await read("manifest.json")).incognito, "not_allowed");
});

test("nothing of a private window is told, whatever happens in it", async () => {
  const browser = new FakeBrowser();
  browser.openWindow(1, { focused: true });
  browser.haveTab(1, { active: true });
  browser.openWindow(66, { incognito: true });
  browser.haveTab(2, { windowId: 66, incognito: true, url: "https://private.example/" });
  start(browser);
  await settle();
  await browser.port.says({ type: "hello", protocol: 1, host_version: "1", last_n: 0 });
  browser.listeners.windowCreated(1, { id: 67, incognito: true });
  browser.create(3, { windowId: 67, incognito: true, pendingUrl: "https://private.example/a" });
  browser.update(2, { url: "https://private.example/b", status: "loading" });
  browser.update(2, { audible: true, status: "complete" });
  // What is not private is told, after all that.
  browser.update(1, { pinned: true });
  await settle();

  const events = browser.port.events();
  assert.equal(events.at(-1).type, "tab_changed");
  const text = JSON.stringify(browser.port.sent);
  assert.doesNotMatch(text, /private/);
  for (const event of events) {
    assert.ok(![2, 3].includes(event.tab), JSON.stringify(event));
    assert.ok(![66, 67].includes(event.win), JSON.stringify(event));
  }
});

test("the options page offers every mode, and says what each tells", async () => {
  const page = await read("pages/options.html");
  for (const [mode, shown] of [
    ["hostname", /mail\.example\.org/],
    ["site", /example\.org/],
    ["keyed-hash", /\.invalid/],
  ]) {
    const radio = page.match(new RegExp(`name="privacy" value="${mode}" aria-describedby="(.+?)"`));
    assert.ok(radio, mode);
    const about = page.match(new RegExp(`id="${radio[1]}".*?</span>`, "s"));
    assert.match(about[0], shown);
  }
  assert.match(page, /Private windows are never seen/);
  assert.match(page, /tab-orchestrator-host erase/);
});

test("a choice that makes no sense counts as not known", () => {
  const removed = { traces: 2, bytes: 10, at_ms: 5 };
  const choice = { privacy: "site", keep_days: 30, keep_mib: 256, removed };
  /** @param {unknown} privacy */
  const read = (privacy) => statusFrom({ type: "status", privacy }).privacy;
  assert.deepEqual(read(choice), choice);
  assert.deepEqual(read({ ...choice, removed: 3 }), { ...choice, removed: null });
  for (const bad of [undefined, "site", { ...choice, privacy: "none" }, { ...choice, keep_days: -1 }]) {
    assert.equal(read(bad), null);
  }
});
