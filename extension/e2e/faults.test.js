// The wire under faults in a real Chromium: worker, host and browser are killed while much happens.
// What was acknowledged is read back each time, and at the end the log must agree with a witness.
// `soak.js` does the same for an hour.

import assert from 'node:assert/strict';
import { kill } from 'node:process';
import { after, before, test } from 'node:test';

import { KEPT_BYTES, KEPT_EVENTS } from '../background/outbox.js';
import { Bursts } from './lab/burst.js';
import { acknowledged, judge } from './lab/judge.js';
import { openLabOrSkip, waitFor } from './lab/lab.js';
import { Witness } from './lab/witness.js';

/** How long after the beginning of a burst the fault comes. */
const WORKER_FAULTS_MS = [0, 10, 40, 90, 160];
const HOST_FAULTS_MS = [0, 30, 120];

/** A host may be away for as long as its third retry takes. */
const AWAY_SECONDS = 60;

/** @type {import('./lab/lab.js').Lab} */
let lab;

before(async () => {
  lab = await openLabOrSkip({ ear: true });
});

after(() => lab?.close());

test('nothing is lost or doubled, whoever is killed', { timeout: 300_000 }, async (t) => {
  if (!lab) return t.skip('no browser');
  const bursts = new Bursts(lab);
  let witness = new Witness(lab);
  let stores = [];
  const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  /** Waits until the worker has nothing in hand: what it is told while it starts it can store only then. */
  const settled = async () => {
    await lab.waitUntilLogged(AWAY_SECONDS);
    await lab.waitForLog('the worker took a snapshot when it was greeted', (log) => {
      const last = (type) => log.findLastIndex((line) => line.type === type);
      return last('session_started') > last('log_resumed');
    });
  };

  /** Begins a burst and does something within it. */
  const inBurst = async (after_ms, fault) => {
    const burst = bursts.burst();
    await rest(after_ms);
    await fault();
    await burst;
    stores.push(acknowledged(await lab.stored(), lab.logs().at(-1).lines));
    await witness.hear();
  };

  /** Waits until all is told, and judges the present trace. */
  const allIsWell = async () => {
    await lab.waitUntilLogged(AWAY_SECONDS);
    await witness.hear();
    const open = (await lab.chrome('tabs.query', {})).map(({ id }) => id);
    const heard = await lab.heard();
    const checks = judge(lab.logs().at(-1).lines, { open, witness, stores, heard, stops: lab.stops });
    for (const { name, wrong } of checks) assert.deepEqual(wrong, [], name);
    t.diagnostic(checks.filter(({ count }) => count > 0).map(({ name, count }) => `${name}: ${count}`).join('; '));
  };

  await t.test('the browser stores in the order in which it is asked, whoever waits', async () => {
    await lab.leavePopup();
    assert.ok(await lab.storesInOrder());
  });

  await t.test('the browser has room for all that an outbox keeps', async () => {
    const tab = {
      tab: 375745675, win: 375745670, host: 'www.some-site.example.org', scheme: 'https', active: false, pinned: false,
      audible: false, muted: false, discarded: false, loading: true, frozen: false, auto_discardable: true, group: -1,
      last_accessed: 1790000000000,
    };
    const events = [
      { type: 'tab_opened', ...tab },
      { type: 'tab_activated', tab: tab.tab, win: tab.win },
      { type: 'tab_changed', tab: tab.tab, audible: true },
      { type: 'tab_navigated', tab: tab.tab, host: tab.host, scheme: tab.scheme },
      { type: 'session_started', windows: [], tabs: Array(1000).fill(tab) },
    ];
    const store = async (event, bytes, count) => {
      const { session } = globalThis.chrome.storage;
      const length = JSON.stringify({ ...event, n: 10_000, at_ms: 1790000000000 }).length;
      const keys = Array.from({ length: Math.min(count, Math.ceil(bytes / length)) }, (_, index) => `room:${index}`);
      const write = (value) => session.set(Object.fromEntries(keys.map((key, n) => [key, value && { ...value, n }])));
      try {
        // They are kept, and given up all at once.
        return await write({ ...event, at_ms: 1790000000000 }).then(() => write(null)).then(() => 'stored', String);
      } finally {
        await session.remove(keys);
      }
    };
    for (const event of events) {
      assert.equal(await lab.inController(store, event, KEPT_BYTES, KEPT_EVENTS), 'stored', event.type);
    }
  });

  await t.test('the worker, in mid-event', async () => {
    await witness.listen();
    for (const after_ms of WORKER_FAULTS_MS) {
      await settled();
      await inBurst(after_ms, () => waitFor('there is a worker to stop', () => lab.stopWorker()));
    }
    await allIsWell();
  });

  await t.test('the host, in mid-burst', async () => {
    for (const after_ms of HOST_FAULTS_MS) {
      const pid = await waitFor('there is a host to kill', () => lab.hostPids().at(-1));
      await inBurst(after_ms, () => kill(pid, 'SIGKILL'));
    }
    await allIsWell();
  });

  /** Starts the browser on the same profile, and waits for a trace of its own. */
  const startAgain = async () => {
    const before = lab.logs();
    await lab.startBrowser();
    await lab.leavePopup();
    witness = new Witness(lab);
    stores = [];
    await witness.listen();
    await lab.waitUntilLogged(AWAY_SECONDS);
    const after = lab.logs();
    assert.equal(after.length, before.length + 1, 'the browser has a session of its own, and so a trace');
    assert.deepEqual(after.slice(0, -1), before, 'the old ones are as they were');
    const ids = after.map(({ lines }) => lines[0].extension_session);
    assert.equal(new Set(ids).size, ids.length);
    const { code, stdout } = lab.runSim('verify', '--json', before.at(-1).file);
    const { obstacle } = JSON.parse(stdout);
    // What was killed soon has no checkpoint yet, and nothing that was decided.
    assert.ok(code === 0 || obstacle?.why === 'nothing_recorded', `the old one replays to its end: ${stdout}`);
  };

  /** What was acknowledged before a browser died is in the trace that it left. */
  const isComplete = ({ last_n, kept }) => {
    const { lines } = lab.logs().at(-1);
    const numbers = lines.filter((line) => line.src === 'ext').map(({ n }) => n);
    assert.deepEqual(numbers, numbers.map((_, index) => index + 1));
    for (let n = 1; n <= last_n; n += 1) assert.ok(kept.has(n) || n <= numbers.length, `event ${n} is there`);
  };

  await t.test('the browser, as a crash does: its host seals the log by itself', async () => {
    const seen = acknowledged(await lab.stored(), []);
    // It ends with its browser.
    const burst = bursts.burst().catch(() => undefined);
    await rest(50);
    await lab.killBrowser();
    await burst;
    isComplete(seen);
    assert.equal(lab.logs().at(-1).lines.at(-1).type, 'log_closed');
    await startAgain();
    await inBurst(20, () => undefined);
    await allIsWell();
  });

  await t.test('browser and host at once: the log ends where it ends, and reads to there', async () => {
    const seen = acknowledged(await lab.stored(), []);
    const [host] = lab.hostPids();
    // It ends with its browser.
    const burst = bursts.burst().catch(() => undefined);
    await rest(50);
    kill(host, 'SIGKILL');
    await lab.killBrowser();
    await burst;
    isComplete(seen);
    assert.notEqual(lab.logs().at(-1).lines.at(-1).type, 'log_closed');
    await startAgain();
    await inBurst(20, () => undefined);
    await allIsWell();
  });
});
