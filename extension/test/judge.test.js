// The judge of the soak is lied to: each lie must be found, by the check that is meant to find it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { acknowledged, judge } from "../e2e/lab/judge.js";

/** A short session in which tab 2 is discarded, and all is well. */
function session() {
  const log = [
    { type: "log_opened", src: "host" },
    { type: "session_started", src: "ext", n: 1, at_ms: 1, tabs: [{ tab: 1 }, { tab: 2 }] },
    { type: "tab_opened", src: "ext", n: 2, at_ms: 2, tab: 3 },
    { type: "tab_closed", src: "ext", n: 3, at_ms: 3, tab: 3 },
    { type: "decision", src: "engine", mode: "enforce", tab: 2, t_ms: 100 },
    { type: "tab_replaced", src: "ext", n: 4, at_ms: 110, tab: 9, old: 2 },
    { type: "tab_discarded", src: "ext", n: 5, at_ms: 110, tab: 9, by: "orchestrator" },
    { type: "discard_outcome", src: "ext", n: 6, at_ms: 120, decision: 4, tab: 2, ok: true },
  ].map((line, seq) => ({ ...line, seq }));
  const discards = [{ at_ms: 110, id: 9, old: 2, guards: [] }];
  const witness = { opened: new Map([[3, 2]]), closed: [3], discards };
  const waiting = { type: "discard_outcome", n: 6, at_ms: 120, decision: 4, tab: 2, ok: true };
  const stores = [acknowledged({ last_n: 6, "event:6": waiting, "event:5": null }, log)];
  return { log, open: [1, 9], witness, stores, heard: new Set([3]), stops: [{ from_ms: 5_000, until_ms: 5_050 }] };
}

const wrongIn = ({ log, ...seen }) =>
  judge(log, seen).flatMap(({ name, wrong }) => (wrong.length > 0 ? [name] : []));

test("a session in which all is well", () => {
  assert.deepEqual(wrongIn(session()), []);
});

/** Tells a lie and names a check that must find it. */
function lie(what, check, tell) {
  test(`a lie is found: ${what}`, () => {
    const told = session();
    tell(told);
    const found = wrongIn(told);
    assert.ok(found.includes(check), `found by ${JSON.stringify(found)}`);
  });
}

lie("a line is missing", "every line follows the one before", ({ log }) => log.splice(4, 1));
lie("an event is there twice", "no event is missing or there twice, by its number", ({ log }) => log.push(log[3]));
lie("events were given up", "nothing was given up", ({ log }) => log.push({ type: "dropped", src: "host", count: 2 }));
lie("an acknowledged event is gone", "every acknowledged event is in the log, then and at last", ({ log }) => log.splice(2, 1));
lie("an event came late", "every acknowledged event is in the log, then and at last", ({ stores }) => stores[0].logged.delete(2));
lie("another event came under its number", "every event that waited came into the log as it was", ({ log }) => {
  log[7].at_ms = 121;
});
lie("a tab closes twice", "nothing happens twice that can happen once", ({ log }) => log.push({ ...log[3], n: 7 }));
lie("an outcome has no decision", "every discard in the log has its decision before it", ({ log }) => {
  log[7].decision = 99;
});
lie("a decision only observes", "every discard that the browser told of has its decision in the log", ({ log }) => {
  log[4].mode = "observe";
});
lie("a decision comes after its discard", "every discard that the browser told of has its decision in the log", ({ log }) => {
  log[4].t_ms = 900;
});
lie("a discard is told as somebody else's", "every discard in the log is told as ours", ({ log }) => {
  log[6].by = "other";
});
lie("a pinned tab goes", "no guarded tab was discarded", ({ witness }) => witness.discards[0].guards.push("PINNED"));
const TABS_APPEAR = "every tab that was opened or closed is so in the log";
lie("a tab is never told of", TABS_APPEAR, ({ witness }) => witness.opened.set(8, 5_020));
lie("a tab that came and went is never told of", TABS_APPEAR, ({ witness }) => {
  witness.opened.set(8, 2_000);
  witness.closed.push(8);
});
lie("a tab that another listener could store is never told of", TABS_APPEAR, ({ witness, heard }) => {
  witness.opened.set(8, 5_020);
  witness.closed.push(8);
  heard.add(8);
});
lie("the listener that excuses is deaf", "a bare listener hears of every tab that opens while no worker is being stopped", ({ heard }) => heard.clear());

test("a tab that came and went while a worker was being stopped may be missing", () => {
  const told = session();
  told.witness.opened.set(8, 5_020);
  told.witness.closed.push(8);
  assert.deepEqual(wrongIn(told), []);
});

lie("a tab stays open in the log", "at the end the log has the same tabs open as the browser", ({ open }) => open.pop());
