// One session in a real Chromium, with the real extension and the real host: from observing to
// enforcing, through the death of the worker and of the host, to a log that replays to the same
// decisions.

import assert from 'node:assert/strict';
import { kill } from 'node:process';
import { after, before, test } from 'node:test';

import { openInLog } from './lab/judge.js';
import { SHORT_TIMES, openLabOrSkip, waitFor } from './lab/lab.js';
import { lastTold } from './lab/log.js';
import { proportionalBytes } from './lab/processes.js';

const MIB = 1 << 20;

// Tabs on the host in front are kept by the context alone: for half an hour.
const POLICY = `
ttl_minutes = 30${SHORT_TIMES}`;

// How much the heavy pages hold, in MiB.
const HEAVY_MIB = [50, 60, 80, 100, 120, 150];

/** @type {import('./lab/lab.js').Lab} */
let lab;

before(async () => {
  lab = await openLabOrSkip({ policy: POLICY });
});

after(() => lab?.close());

test('a recorded session, from observing to a verified log', { timeout: 600_000 }, async (t) => {
  if (!lab) return t.skip('no browser');
  const url = lab.pages.url;
  const tabs = {};

  /** Waits until the log has both halves of the split view in sight, or both out of it. */
  const halvesAre = (inSight) =>
    lab.waitForLog(`the halves are ${inSight ? 'in' : 'out of'} sight`, (log) =>
      [tabs.otherFront, tabs.beside].every(({ id }) => lastTold(log, id, 'in_sight') === inSight),
    );

  await t.test('a person opens tabs over several hosts and two windows', async () => {
    for (const [index, mebibytes] of HEAVY_MIB.entries()) {
      const host = ['news', 'video', 'shop'][index % 3];
      tabs[`heavy${index}`] = await lab.openTab({ url: url(host, `heavy/${mebibytes}`) });
    }
    for (let index = 0; index < 8; index++) {
      const host = ['news', 'mail', 'wiki', 'forum'][index % 4];
      const active = index % 2 === 0;
      tabs[`plain${index}`] = await lab.openTab({ url: url(host, `plain/${index}`), active });
    }
    tabs.sound = await lab.openTab({ url: url('music', 'sound') });
    await waitFor('the sound is heard', async () => (await lab.chrome('tabs.get', tabs.sound.id)).audible);
    tabs.pinned = await lab.openTab({ url: url('mail', 'plain/20'), pinned: true });
    tabs.grouped = await lab.openTab({ url: url('wiki', 'plain/21') });
    await lab.chrome('tabs.group', { tabIds: [tabs.grouped.id] });
    tabs.form = await lab.openTab({ url: url('shop', 'form') });
    await lab.type(url('shop', 'form'), 'half a name');

    const window = await lab.openWindow(url('docs', 'plain/30'));
    tabs.otherFront = window.tab;
    for (let index = 31; index < 35; index++) {
      tabs[`other${index}`] = await lab.openTab({
        windowId: window.id,
        url: url('docs', `plain/${index}`),
        active: false,
      });
    }
    for (let index = 40; index < 43; index++) {
      tabs[`work${index}`] = await lab.openTab({ url: url('work', `plain/${index}`) });
    }

    await lab.chrome('tabs.update', tabs.plain1.id, { url: url('forum', 'plain/50') });
    await lab.loaded(tabs.plain1.id);
    await lab.chrome('tabs.move', tabs.plain3.id, { windowId: window.id, index: -1 });
    await lab.chrome('tabs.remove', tabs.plain5.id);
    delete tabs.plain5;
    await lab.chrome('tabs.update', tabs.work40.id, { active: true });
    tabs.front = tabs.work40;
    await lab.chrome('tabs.createSplit', [tabs.otherFront.id, tabs.other31.id]);
    tabs.beside = tabs.other31;
    delete tabs.other31;

    assert.ok((await lab.chrome('tabs.query', {})).length >= 25);
    assert.equal((await lab.chrome('windows.getAll')).length, 2);
    await lab.waitForLog('the touched form is in the log', (log) =>
      log.some((line) => line.type === 'tab_changed' && line.tab === tabs.form.id && line.unsaved),
    );
    await halvesAre(true);
  });

  await t.test('observe mode decides and discards nothing', async () => {
    const noted = await lab.waitForLog(
      'decisions in observe mode',
      (log) => {
        const decisions = log.filter((line) => line.type === 'decision');
        return decisions.length >= 4 && decisions;
      },
      120,
    );
    assert.ok(noted.every((decision) => decision.mode === 'observe'));
    const open = await lab.chrome('tabs.query', {});
    assert.deepEqual(open.filter((tab) => tab.discarded), []);
  });

  const mayGo = () => {
    const kept = ['sound', 'pinned', 'form', 'front', 'otherFront', 'beside', 'work40', 'work41', 'work42'];
    return Object.keys(tabs).filter((name) => !kept.includes(name));
  };

  await t.test('enforce mode discards the right tabs, and their memory comes back', async () => {
    const before = proportionalBytes(lab.browserPid);
    await lab.setMode('enforce');
    const expected = mayGo();
    const urls = new Set(expected.map((name) => tabs[name].url));
    const gone = await waitFor(
      `${expected.length} tabs are discarded`,
      async () => {
        const discarded = (await lab.chrome('tabs.query', {})).filter((tab) => tab.discarded);
        return discarded.length >= expected.length && discarded;
      },
      180,
    );
    // One more sample and cooldown, in which a guarded tab would go if one could.
    const samples = lab.log().filter((line) => line.type === 'metrics').length;
    await lab.waitForLog('three more samples', (log) =>
      log.filter((line) => line.type === 'metrics').length > samples + 3,
    );
    const discarded = (await lab.chrome('tabs.query', {})).filter((tab) => tab.discarded);
    assert.equal(discarded.length, gone.length);
    for (const tab of discarded) {
      const known = [...urls, url('forum', 'plain/50')];
      assert.ok(known.includes(tab.url), `${tab.url} was discarded`);
    }

    const held = HEAVY_MIB.reduce((sum, mebibytes) => sum + mebibytes, 0) * MIB;
    const freed = before - proportionalBytes(lab.browserPid);
    t.diagnostic(`heavy pages held ${held / MIB} MiB; the browser gave ${Math.round(freed / MIB)} MiB back`);
    assert.ok(freed > 0.85 * held, `only ${freed} of ${held} bytes came back`);
    assert.ok(freed < held + expected.length * 40 * MIB, `${freed} bytes came back for ${held}`);
  });

  await t.test('what a discard freed is measured, and taken for no other tab’s', async () => {
    const log = lab.log();
    const measured = log.filter((line) => line.type === 'tab_memory' && line.how === 'reclaimed');
    const discarded = await lab.chrome('tabs.query', { discarded: true });
    let found = 0;
    for (const { id, bytes } of measured.map((line) => ({ id: line.tab, bytes: line.bytes }))) {
      const [, page] = discarded.find((tab) => tab.id === id)?.url.match(/heavy\/(\d+)/) ?? [];
      const held = Number(page ?? 0) * MIB;
      t.diagnostic(`${held / MIB} MiB held, ${Math.round(bytes / MIB)} MiB measured`);
      assert.ok(bytes > 0.85 * held && bytes < held + 40 * MIB, `${bytes} for ${held}`);
      found += page ? 1 : 0;
    }
    assert.equal(found, HEAVY_MIB.length);
  });

  await t.test('a restored tab comes back', async () => {
    const [tab] = (await lab.chrome('tabs.query', { discarded: true })).filter((tab) =>
      tab.url.includes('heavy'),
    );
    await lab.chrome('tabs.update', tab.id, { active: true });
    const back = await lab.loaded(tab.id);
    assert.equal(back.discarded, false);
    await lab.waitForLog('the return is in the log', (log) => {
      const at = log.findIndex((line) => line.type === 'tab_restored' && line.tab === tab.id);
      return at >= 0 && log.slice(at).some((line) => line.type === 'tab_loaded' && line.tab === tab.id);
    });
  });

  await t.test('a split view that leaves the front is out of sight, whichever worker is there', async () => {
    assert.ok(await lab.stopWorker(), 'a service worker runs');
    const { windowId } = await lab.chrome('tabs.get', tabs.beside.id);
    await lab.openTab({ windowId, url: url('docs', 'plain/35') });
    await halvesAre(false);
    await lab.chrome('tabs.update', tabs.beside.id, { active: true });
    await halvesAre(true);
  });

  await t.test('the same trace goes on after the worker was stopped', async () => {
    const [host] = lab.hostPids();
    assert.ok(await lab.stopWorker(), 'a service worker runs');
    await waitFor('the host has ended with its worker', () => !lab.hostPids().includes(host));
    // Only an event of the browser wakes the worker again.
    const tab = await lab.openTab({ url: url('news', 'plain/60'), active: false });
    await lab.waitForLog('the event that woke the worker', (log) =>
      log.some((line) => line.type === 'log_resumed') && mentions(log, tab.id),
    );
  });

  await t.test('the same trace goes on after the host was killed', async () => {
    const resumed = lab.log().filter((line) => line.type === 'log_resumed').length;
    const [host] = lab.hostPids();
    kill(host, 'SIGKILL');
    const tab = await lab.openTab({ url: url('wiki', 'plain/61'), active: false });
    await lab.chrome('tabs.update', tab.id, { muted: true });
    await lab.waitForLog('what happened while there was no host', (log) =>
      log.filter((line) => line.type === 'log_resumed').length > resumed &&
      mentions(log, tab.id) &&
      log.some((line) => line.type === 'tab_changed' && line.tab === tab.id && line.muted),
    );
  });

  await t.test('the log agrees with the browser, and nothing is lost or doubled', async () => {
    const open = (await lab.chrome('tabs.query', {})).map((tab) => tab.id).sort();
    await lab.waitForLog('the log has the same tabs open', (log) =>
      JSON.stringify([...openInLog(log)].sort()) === JSON.stringify(open),
    );
    await lab.closeBrowser();
    const log = lab.log();
    assert.deepEqual(log.map((line) => line.seq), log.map((_, index) => index));
    const numbers = log.filter((line) => line.src === 'ext').map((line) => line.n);
    assert.deepEqual(numbers, numbers.map((_, index) => index + 1));
    assert.equal(new Set(log.filter((line) => line.type === 'log_opened').map((line) => line.session)).size, 1);
    assert.deepEqual(log.filter((line) => line.type === 'dropped'), []);
    assert.equal(log.at(-1).type, 'log_closed');

    for (const line of log.filter((line) => line.type === 'tab_discarded')) {
      assert.equal(line.by, 'orchestrator', 'nobody else discards in this session');
    }
    const guarded = ['sound', 'pinned', 'form', 'front', 'otherFront', 'beside'].map((name) => tabs[name].id);
    const decided = new Set(log.filter((line) => line.type === 'decision').map((line) => line.tab));
    for (const id of guarded) assert.ok(!decided.has(id), `tab ${id} was decided on`);
  });

  await t.test('every decision and checkpoint replays to the same', () => {
    const { code, stdout, stderr } = lab.runSim('verify', lab.traces);
    t.diagnostic(stdout.trim());
    assert.equal(code, 0, stdout + stderr);
    const [, equal, all] = /(\d+) of (\d+) decisions equal/.exec(stdout) ?? [];
    assert.ok(Number(all) > 20, stdout);
    assert.equal(equal, all);
    const [, sameStates, states] = /(\d+) of (\d+) checkpoints equal/.exec(stdout) ?? [];
    assert.ok(Number(states) > 1, stdout);
    assert.equal(sameStates, states);
  });
});

/** Whether a tab is told of in a log. */
function mentions(log, id) {
  return log.some(
    (line) => line.tab === id || line.tabs?.some((tab) => tab.tab === id),
  );
}
