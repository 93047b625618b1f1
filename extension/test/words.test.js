import assert from "node:assert/strict";
import { test } from "node:test";

import {
  FOREVER_MS,
  awakeText,
  bytesText,
  countText,
  durationText,
  guardText,
  healthText,
  healthTroubles,
  isTrouble,
  levelText,
  numberText,
  observedText,
  onceText,
  outcomeText,
  reasonText,
  reasonTexts,
  refusalText,
  removedText,
  stateText,
  troubleText,
  whyText,
} from "../pages/words.js";

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;
const MEGABYTE = 1024 ** 2;

const DECISION = {
  decision: 1,
  tab: 1,
  host: "a.example",
  t_ms: NOW - 12 * MINUTE,
  mode: "enforce",
  outcome: "discarded",
  why: null,
  reasons: ["RAM_HIGH", "ON_BATTERY"],
  level: "HIGH",
  score: 80,
  idle_ms: 45 * MINUTE,
  ttl_ms: 15 * MINUTE,
  in_focus: false,
  familiarity: 1,
  bytes: 86 * MEGABYTE,
};

test("what was refused says what to do about it", () => {
  const refusal = { code: "bad_policy", message: "policy.toml: no space left", fix: "make room" };
  assert.equal(refusalText(refusal), "policy.toml: no space left. Make room.");
  assert.equal(refusalText({ ...refusal, message: "It is full." }), "It is full. Make room.");
  assert.equal(refusalText({ ...refusal, fix: null }), "policy.toml: no space left");
  assert.equal(refusalText({ code: "no_host", message: "There is no host." }), "There is no host.");
});

test("amounts and times as people say them", () => {
  assert.equal(bytesText(0), "0 MB");
  assert.equal(bytesText(512 * MEGABYTE), "512 MB");
  assert.equal(bytesText(1.5 * 1024 * MEGABYTE), "1.5 GB");
  assert.equal(durationText(0), "0 s");
  assert.equal(durationText(59_400), "59 s");
  assert.equal(durationText(59_900), "1 min");
  assert.equal(durationText(59 * MINUTE), "59 min");
  assert.equal(durationText(60 * MINUTE), "1 h");
  assert.equal(durationText(90 * MINUTE), "1 h 30 min");
  assert.equal(durationText(72 * 60 * MINUTE), "3 days");
  assert.equal(countText(1, "tab"), "1 tab");
  assert.equal(countText(0, "tab"), "0 tabs");
  assert.equal(countText(2_000, "tab"), "2,000 tabs");
  assert.equal(numberText(1_234_567), "1,234,567");
  assert.equal(new Date(FOREVER_MS).getUTCFullYear(), 9999);
});

test("why a tab was chosen, in a sentence", () => {
  assert.equal(
    whyText(DECISION),
    "Hardly any memory is free, on battery. Not used for 45 min, the limit is 15 min.",
  );
  assert.equal(
    whyText({ ...DECISION, reasons: ["REQUESTED"], in_focus: true, familiarity: 3 }),
    "You asked for it. Not used for 45 min. Part of what you work on. A site you often return to.",
  );
  assert.match(whyText({ ...DECISION, reasons: [], level: "MEDIUM" }), /^Memory is getting short\./);
});

test("what brought a decision about stands before what merely added to it", () => {
  /** @param {string[]} reasons @param {string} level @param {string} expect */
  const check = (reasons, level, expect) => {
    const [cause] = whyText({ ...DECISION, reasons, level }).split(". ");
    assert.equal(cause, expect);
    // The popup lists them below the level, in the same order.
    assert.ok(expect.toLowerCase().endsWith(reasonTexts(reasons).join(", ").toLowerCase()));
  };
  // A score of 84 % memory and a busy processor, as of a computer that compiles.
  check(["CPU_HIGH"], "MEDIUM", "Memory is getting short, the processor is very busy");
  check(
    ["CPU_HIGH", "ON_BATTERY", "PSI_HIGH"],
    "HIGH",
    "Everything waits for memory, the processor is very busy, on battery",
  );
  check(["CPU_ELEVATED", "SWAPPING"], "HIGH", "Memory moves to disk, the processor is busy");
  check(["ON_BATTERY", "FOCUS_PROACTIVE"], "LOW", "Focus mode tidies up ahead, on battery");
  check(
    ["RAM_ELEVATED", "CPU_HIGH", "GATE_ALWAYS"],
    "LOW",
    "The policy does so always, little memory is free, the processor is very busy",
  );
  check(["MOON"], "HIGH", "MOON");
});

test("why a tab is awake", () => {
  const explanation = {
    verdict: "keep",
    guards: [],
    not_observable: [],
    idle_ms: 4 * MINUTE,
    ttl_ms: 15 * MINUTE,
    in_focus: false,
    familiarity: 1,
    gate: "level_too_low",
  };
  const check = (change, expect) => assert.equal(awakeText({ ...explanation, ...change }), expect);
  check({}, "Not used for 4 min, the limit is 15 min.");
  check(
    { in_focus: true, familiarity: 3 },
    "Not used for 4 min, the limit is 15 min. Part of what you work on. A site you often return to.",
  );
  check({ verdict: "guarded", guards: ["PINNED", "PROTECTED"] }, "It is pinned, its site is protected.");
  // The window may lie behind others for hours.
  check({ verdict: "guarded", guards: ["ACTIVE"] }, "It is in front of its window.");
  check({ verdict: "guarded", guards: ["LOADING"] }, "It is loading.");
  check(
    { verdict: "wait", idle_ms: 20 * MINUTE },
    "Memory is not short enough. Not used for 20 min, the limit is 15 min.",
  );
  check({ verdict: "wait", gate: "paused" }, "It is paused. Not used for 4 min, the limit is 15 min.");
  check({ verdict: "noted" }, "It would have gone to sleep. Only observing keeps it awake.");
  check({ verdict: "moon" }, "moon");
});

test("what became of a decision", () => {
  const check = (change, expect) => assert.equal(outcomeText({ ...DECISION, ...change }, NOW), expect);
  check({}, "Asleep for 12 min, freed 86 MB");
  check({ bytes: null }, "Asleep for 12 min");
  check({ outcome: "returned" }, "Came back; was put to sleep 12 min ago");
  check({ outcome: "closed" }, "Closed; was put to sleep 12 min ago");
  check(
    { outcome: "refused", why: "UNSAVED" },
    "Left awake 12 min ago: it holds a half-filled-in form",
  );
  check(
    { outcome: "refused", why: "Cannot discard tab with id: 2." },
    "Left awake 12 min ago: Cannot discard tab with id: 2.",
  );
  check({ outcome: "refused", why: "PAUSED" }, "Left awake 12 min ago: it was paused just then");
  check({ outcome: null }, "Decided 12 min ago");
  check({ outcome: null, mode: "observe" }, "Would have gone to sleep 12 min ago");
  // A clock that was set back makes no nonsense.
  check({ t_ms: NOW + MINUTE }, "Asleep for 0 s, freed 86 MB");
});

test("what observing has shown", () => {
  const at = () => "09:12";
  assert.equal(observedText(null, at), "By itself it puts nothing to sleep, and saw no need to.");
  assert.equal(
    observedText({ decisions: 0, bytes_expected: 0, since_ms: 1 }, at),
    "By itself it puts nothing to sleep, and saw no need to since 09:12.",
  );
  assert.equal(
    observedText({ decisions: 6, bytes_expected: 540 * MEGABYTE, since_ms: 1 }, at),
    "It would have put 6 tabs to sleep since 09:12, about 540 MB. Let it, when you agree with the list below.",
  );
});

test("who asks for memory while it observes is told what may be lost", () => {
  assert.equal(
    onceText(false),
    "Put tabs to sleep now, though it only observes? Half-filled-in forms are not seen: what you typed in a page may be lost.",
  );
  assert.equal(onceText(true), "Put tabs to sleep now, though it only observes?");
});

test("a word that is not known is shown as it is", () => {
  assert.equal(levelText("EXTREME"), "EXTREME");
  assert.equal(levelText(null), "Measuring…");
  assert.equal(reasonText("MOON_FULL"), "MOON_FULL");
  assert.equal(guardText("No such guard."), "No such guard.");
  assert.equal(stateText(/** @type {any} */ ("odd")), "odd");
});

test("trouble is whatever is neither connected nor about to be", () => {
  const states = ["connecting", "connected", "silent", "host_missing", "forbidden", "exited", "odd"];
  assert.deepEqual(
    states.filter((state) => !isTrouble(/** @type {any} */ (state))),
    ["connecting", "connected"],
  );
});

test("what is wrong with the connection, and what to do", () => {
  assert.equal(
    troubleText({ state: "log_unavailable", detail: "the disk is full", fix: "free some space" }),
    "It decides nothing that it cannot write down. What happens meanwhile is kept. The disk is full. Free some space.",
  );
  assert.doesNotMatch(
    troubleText({ state: "host_missing", detail: "Specified …", fix: null }),
    /Specified/,
  );
});

test("what is not well with the host, in words, with what to do", () => {
  assert.equal(healthText("UNHEALTHY"), "It does not work");
  assert.equal(healthText(/** @type {any} */ ("ODD")), "ODD");
  const check = { id: "log.writing", about: "the log can be written", required: true };
  const checks = /** @type {any} */ ([
    { ...check, state: "UNHEALTHY", detail: "the disk is full", fix: "make room on the disk" },
    { ...check, id: "moon.full", state: "DEGRADED", detail: "moon.toml: line 2 is odd.", fix: "" },
    { ...check, id: "metrics.fresh", state: "SKIPPED", detail: "", fix: "" },
    { ...check, id: "disk.free", state: "HEALTHY", detail: "there is enough", fix: "" },
  ]);
  assert.deepEqual(healthTroubles({ state: "UNHEALTHY", checks }), [
    { name: "The log", state: "UNHEALTHY", detail: "The disk is full.", fix: "Make room on the disk." },
    { name: "the log can be written", state: "DEGRADED", detail: "moon.toml: line 2 is odd.", fix: "" },
  ]);
});

test("what was removed of old logs", () => {
  const timeText = (ms) => `time ${ms}`;
  assert.equal(removedText(null, timeText), "");
  assert.equal(
    removedText({ traces: 2, bytes: 40 * MEGABYTE, at_ms: 5 }, timeText),
    "Removed for age or size at time 5: 2 logs, 40 MB.",
  );
  assert.match(removedText({ traces: 1, bytes: 0, at_ms: 5 }, timeText), /: 1 log, /);
});
