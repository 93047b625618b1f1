import assert from "node:assert/strict";
import { test } from "node:test";

import { explanationFrom, orderFrom, statusFrom } from "../background/answers.js";

const DECISION = {
  decision: 40,
  tab: 7,
  host: "a.example",
  t_ms: 1_800_000_000_000,
  mode: "enforce",
  outcome: "refused",
  why: "PINNED",
  reasons: ["RAM_HIGH"],
  level: "HIGH",
  score: 80,
  idle_ms: 60_000,
  ttl_ms: 30_000,
  in_focus: true,
  familiarity: 3,
  bytes: 5,
};

const CHECK = { id: "log.writing", about: "the log", state: "HEALTHY", detail: "it is written", fix: "" };

const STATUS = {
  type: "status",
  request: 1,
  mode: "enforce",
  paused_until_ms: 5,
  score: 80,
  level: "HIGH",
  reasons: ["RAM_HIGH"],
  metrics: { ram_total: 4, ram_used: 3, on_battery: false },
  policy_hash: "abc",
  tabs: 3,
  discarded: 1,
  cluster: { tabs: [1, 2] },
  cooldown_ms: 9,
  log: { state: "writing", error: null, synced_n: 4 },
  observed: { decisions: 2, bytes_expected: 8, since_ms: 1 },
  recent: [DECISION],
  focus: { enabled: true, proactive: true },
  health: { state: "HEALTHY", checks: [CHECK] },
  privacy: { privacy: "site", keep_days: 30, keep_mib: 256, removed: { traces: 1, bytes: 2, at_ms: 3 } },
  policy_error: null,
};

test("a status that makes sense is passed on as it is", () => {
  assert.deepEqual(statusFrom(STATUS), STATUS);
  const other = {
    ...STATUS,
    mode: "observe",
    log: { state: "failed", error: "no space left" },
    focus: { enabled: false, proactive: false },
    recent: [{ ...DECISION, mode: "observe", in_focus: false, host: null, outcome: null, why: null, bytes: null }],
  };
  assert.deepEqual(statusFrom(other), other);
});

test("what makes no sense in a status counts as not known", () => {
  const { type, ...members } = STATUS;
  const odd = Object.fromEntries(Object.keys(members).map((name) => [name, "odd"]));
  assert.deepEqual(statusFrom({ type, ...odd }), {
    type,
    request: "odd",
    mode: "observe",
    paused_until_ms: null,
    score: null,
    level: "odd",
    reasons: [],
    metrics: null,
    policy_hash: "odd",
    tabs: null,
    discarded: null,
    cluster: null,
    cooldown_ms: null,
    log: { state: "failed", error: null },
    observed: null,
    recent: [],
    focus: null,
    health: null,
    privacy: null,
    policy_error: "odd",
  });
  const bare = statusFrom({
    ...STATUS,
    cluster: {},
    observed: {},
    health: {},
    privacy: { ...STATUS.privacy, removed: {} },
    recent: [null, { decision: 4 }, { tab: 7 }, { decision: 0, tab: 0 }],
  });
  assert.deepEqual([bare.cluster, bare.health], [null, null]);
  assert.deepEqual(bare.observed, { decisions: 0, bytes_expected: null, since_ms: null });
  assert.deepEqual(bare.privacy?.removed, { traces: 0, bytes: 0, at_ms: 0 });
  assert.deepEqual(bare.recent, [
    {
      decision: 0,
      tab: 0,
      host: null,
      t_ms: 0,
      mode: "observe",
      outcome: null,
      why: null,
      reasons: [],
      level: "",
      score: 0,
      idle_ms: 0,
      ttl_ms: 0,
      in_focus: false,
      familiarity: 1,
      bytes: null,
    },
  ]);
  for (const odd of [{ privacy: "odd" }, { keep_days: "odd" }, { keep_mib: "odd" }]) {
    assert.equal(statusFrom({ ...STATUS, privacy: { ...STATUS.privacy, ...odd } }).privacy, null);
  }
  assert.throws(() => statusFrom({ type: "pong" }), /found "pong" for a status/);
});

test("an order names a decision and a tab, and the host where the decision left it", () => {
  const order = { type: "discard_tab", decision: 4, tab: 7, host: "a.example" };
  assert.deepEqual(orderFrom(order, "a-log"), { ...order, log: "a-log" });
  assert.equal(orderFrom({ ...order, host: 5 }, "a-log").host, null);
  for (const odd of [{ decision: 1.5 }, { tab: -1 }, { decision: null }, { tab: "7" }]) {
    assert.throws(() => orderFrom({ ...order, ...odd }, "a-log"), /not an order/);
  }
});

test("an explanation that says little is filled up with what holds of every tab", () => {
  assert.equal(explanationFrom({ type: "explanation", explanation: null }), null);
  assert.deepEqual(explanationFrom({ type: "explanation", explanation: { in_focus: "same site" } }), {
    verdict: "",
    guards: [],
    not_observable: [],
    idle_ms: 0,
    ttl_ms: 0,
    in_focus: true,
    familiarity: 1,
    gate: "",
  });
});
