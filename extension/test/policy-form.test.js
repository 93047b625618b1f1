import assert from "node:assert/strict";
import { test } from "node:test";

import { documentOf, factsText, isSame, parse, textOf, valueAt } from "../pages/policy-form.js";

const number = { kind: "number", min: 1, max: 90, unit: "percent", whole: false, optional: true };

test("values by their paths, in tables too", () => {
  const policy = { ttl_minutes: 15, focus: { enabled: false } };
  assert.equal(valueAt(policy, "ttl_minutes"), 15);
  assert.equal(valueAt(policy, "focus.enabled"), false);
  assert.equal(valueAt(policy, "focus.none"), null);
  assert.equal(valueAt(policy, "none.none"), null);
});

test("a change names what changed and nothing else", () => {
  assert.deepEqual(
    documentOf([
      ["ttl_minutes", 3],
      ["focus.enabled", true],
      ["focus.cluster_cap", 4],
    ]),
    { ttl_minutes: 3, focus: { enabled: true, cluster_cap: 4 } },
  );
  assert.deepEqual(documentOf([]), {});
});

test("from a control to a value", () => {
  assert.equal(parse(number, { value: "12.5" }), 12.5);
  assert.equal(parse(number, { value: " " }), null, "off");
  assert.equal(parse({ kind: "switch" }, { value: "on", checked: true }), true);
  assert.equal(parse({ kind: "switch" }, { value: "on" }), false);
  assert.equal(parse({ kind: "choice", of: ["a", "b"] }, { value: "b" }), "b");
  assert.deepEqual(
    parse({ kind: "domains" }, { value: " A.example\n\n.b.example, a.example\n" }),
    ["a.example", ".b.example"],
  );
});

test("a domain is written as the browser shows it, and what is none stays for the host to refuse", () => {
  const check = (typed, expect) => assert.deepEqual(parse({ kind: "domains" }, { value: typed }), [expect]);
  check("bücher.example", "xn--bcher-kva.example");
  check(".Bücher.example", ".xn--bcher-kva.example");
  check("xn--bcher-kva.example", "xn--bcher-kva.example");
  check("[::1]", "[::1]");
  for (const none of ["https://mybank.example", "mybank.example/login", "me@mybank.example", "mybank.example:8080", "*", ".", "%"]) {
    check(none, none);
  }
});

test("what stands in a control is read back as the same value", () => {
  for (const [takes, value] of [
    [number, 12.5],
    [number, null],
    [{ kind: "choice", of: ["a"] }, "a"],
    [{ kind: "domains" }, ["a.example", ".b.example"]],
    [{ kind: "domains" }, []],
  ]) {
    assert.ok(isSame(parse(takes, { value: textOf(value) }), value), JSON.stringify(value));
  }
});

test("lists are the same in any order, other values only if they are", () => {
  assert.ok(isSame(["a", "b"], ["b", "a"]));
  assert.ok(!isSame(["a"], ["a", "b"]));
  assert.ok(isSame(15, 15.0));
  assert.ok(!isSame(null, 0));
  assert.ok(!isSame(false, null));
});

test("range, unit and default in words", () => {
  assert.equal(factsText(number, null), "1 to 90 percent, empty for off; default off");
  assert.equal(factsText({ ...number, optional: false }, 15), "1 to 90 percent; default 15");
  assert.equal(factsText({ kind: "switch" }, true), "default on");
  assert.equal(factsText({ kind: "choice", of: ["lru"] }, "lru"), "default lru");
  assert.match(factsText({ kind: "domains" }, ["a", "b"]), /default 2 domains$/);
});
