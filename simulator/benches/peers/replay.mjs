// What `sim replay -p ttl-15` does, as one would write it in an evening: each line by `readline` and
// `JSON.parse`; a tab that was not in front for 15 minutes is discarded, and is loaded again when the
// trace has it in front.
//
//   node replay.mjs TRACE-FOLDER [MINUTES]
//
// Takes the traces of `sim synth`, uncompressed. Writes {"discards", "reloads", "saved_gib_h"}:
// discards and reloads are those of `sim replay`; what is saved is a tab's last `tab_memory`, over the
// time that the machine was awake. Nothing is checked (sums, order, guards), there is no other score
// and no pressure, and nothing is made to fit into the browser's memory.

import { createReadStream, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const [folder, minutes = '15'] = process.argv.slice(2);
const ttlMs = Number(minutes) * 60_000;

const tabs = new Map();
const inFront = new Map(); // a window's tab
let focused;
let nowMs;
let nextDueMs = Infinity; // nothing is due before it
let heldBytes = 0;
let [discards, reloads, savedByteMs] = [0, 0, 0];

function change(tab, changes) {
  Object.assign(tab, changes);
  nextDueMs = Math.min(nextDueMs, tab.lastActiveMs + ttlMs);
}

function pass(untilMs, asleepMs = 0) {
  savedByteMs += heldBytes * (untilMs - nowMs - asleepMs);
  nowMs = untilMs;
}

// Discards what is due before a time, each tab when it is.
function discardUntil(untilMs) {
  while (nextDueMs < untilMs) {
    let ripest;
    for (const tab of tabs.values()) {
      const mayGo = !tab.active && !tab.pinned && !tab.audible && !tab.held && !tab.gone;
      if (mayGo && (ripest === undefined || tab.lastActiveMs < ripest.lastActiveMs)) ripest = tab;
    }
    nextDueMs = ripest === undefined ? Infinity : ripest.lastActiveMs + ttlMs;
    if (nextDueMs >= untilMs) return;
    pass(Math.max(nowMs, nextDueMs));
    ripest.held = true;
    heldBytes += ripest.bytes;
    discards += 1;
  }
}

function letGo(tab) {
  tab.held = false;
  heldBytes -= tab.bytes;
}

function comeBack(tab) {
  letGo(tab);
  reloads += 1;
}

function leaveFront(win) {
  const tab = tabs.get(inFront.get(win));
  inFront.delete(win);
  if (tab !== undefined) change(tab, { active: false, lastActiveMs: nowMs });
}

function activate(tab, win) {
  if (inFront.get(win) !== tab.tab) leaveFront(win);
  inFront.set(win, tab.tab);
  change(tab, { win, active: true, lastActiveMs: nowMs });
  if (tab.held) comeBack(tab);
}

function open(facts) {
  const { tab, win, pinned, audible, discarded, last_accessed: accessedMs } = facts;
  const opened = { tab, win, active: false, pinned, audible, gone: discarded, held: false, bytes: 0 };
  tabs.set(tab, opened);
  change(opened, { lastActiveMs: accessedMs ?? nowMs });
  if (facts.active) activate(opened, win);
}

function close(tab) {
  if (tab.held) letGo(tab);
  if (tab.active) inFront.delete(tab.win);
  tabs.delete(tab.tab);
}

const events = {
  session_started: (line) => line.tabs.forEach(open),
  tab_opened: open,
  tab_activated: (line) => activate(tabs.get(line.tab), line.win),
  tab_changed({ tab, pinned, audible }) {
    if (pinned !== undefined) change(tabs.get(tab), { pinned });
    if (audible !== undefined) change(tabs.get(tab), { audible });
  },
  tab_moved(line) {
    const tab = tabs.get(line.tab);
    if (tab.active) leaveFront(tab.win);
    tab.win = line.win;
  },
  tab_discarded(line) {
    const tab = tabs.get(line.tab);
    if (tab.held) letGo(tab);
    change(tab, { gone: true });
  },
  tab_restored(line) {
    const tab = tabs.get(line.tab);
    change(tab, { gone: false });
    if (tab.held) comeBack(tab);
  },
  tab_closed: (line) => close(tabs.get(line.tab)),
  tab_memory(line) {
    const tab = tabs.get(line.tab);
    if (tab.held) heldBytes += line.bytes - tab.bytes;
    tab.bytes = line.bytes;
  },
  window_closed(line) {
    for (const tab of tabs.values()) if (tab.win === line.win) close(tab);
  },
  window_focused(line) {
    for (const win of [focused, line.win]) {
      const tab = tabs.get(inFront.get(win));
      if (tab !== undefined) change(tab, { lastActiveMs: nowMs });
    }
    focused = line.win;
  },
};

for (const name of readdirSync(folder).sort()) {
  for await (const text of createInterface({ input: createReadStream(join(folder, name)) })) {
    const line = JSON.parse(text);
    nowMs ??= line.t_ms;
    const asleepMs = line.type === 'suspended' ? line.ms : 0;
    discardUntil(line.t_ms - asleepMs);
    pass(line.t_ms, asleepMs);
    events[line.type]?.(line);
    discardUntil(line.t_ms + 1);
  }
}

const savedGibH = savedByteMs / 2 ** 30 / 3_600_000;
console.log(JSON.stringify({ discards, reloads, saved_gib_h: savedGibH }));
