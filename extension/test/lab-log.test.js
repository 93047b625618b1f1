// The lab's reader of logs, while a host closes segments under its eyes.

import assert from "node:assert/strict";
import fs, { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { readLog, readTraces, segments } from "../e2e/lab/log.js";

function folderWith(t, files) {
  const folder = mkdtempSync(join(tmpdir(), "lab-log-"));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

test("a segment that has another name when it is read is read under that", (t) => {
  const [before, after] = ["20260101T000000Z-a-0000.jsonl", "20260101T000000Z-a-0001.jsonl"];
  const folder = folderWith(t, { [before]: '{"seq":0}\n' });
  const { readFileSync } = fs;
  let isFirst = true;
  t.mock.method(fs, "readFileSync", (...args) => {
    if (isFirst) renameSync(join(folder, before), join(folder, after));
    isFirst = false;
    return readFileSync(...args);
  });
  syncBuiltinESMExports();
  const lines = readLog(folder);
  t.mock.restoreAll();
  syncBuiltinESMExports();
  assert.deepEqual(lines, [{ seq: 0 }]);
  assert.deepEqual(readTraces(folder), [{ file: join(folder, after), lines: [{ seq: 0 }] }]);
});

test("a segment whose compressed copy is there, too, is read once", (t) => {
  const name = "20260101T000000Z-a-0000.jsonl";
  const folder = folderWith(t, { [name]: "", [`${name}.zst`]: "" });
  assert.deepEqual(segments(folder), [join(folder, name)]);
});

test("what stays away is an error", (t) => {
  assert.throws(() => readLog(join(folderWith(t, {}), "none")), { code: "ENOENT" });
});
