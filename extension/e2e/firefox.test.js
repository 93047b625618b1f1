// A session in a real Firefox, with the real extension and the real host: tabs come and go, some are
// discarded, the host is killed, and the log replays to the same decisions.

import assert from 'node:assert/strict';
import { kill } from 'node:process';
import { after, before, test } from 'node:test';

import { stateOf } from '../background/port.js';
import { openFirefoxOrSkip } from './lab/firefox.js';
import { openInLog } from './lab/judge.js';
import { SHORT_TIMES, waitFor } from './lab/lab.js';
import { lastTold } from './lab/log.js';

const POLICY = `
ttl_minutes = 1
ttl_clock = "awake"${SHORT_TIMES}`;

/** @type {Awaited<ReturnType<typeof openFirefoxOrSkip>>} */
let lab;

before(async () => {
  lab = await openFirefoxOrSkip({ policy: POLICY });
});

after(() => lab?.close());

test('a session in Firefox, to a verified log', { timeout: 300_000 }, async (t) => {
  if (!lab) return t.skip('no browser');
  const url = lab.pages.url;
  const tabs = {};
  const told = (log, type, { id }) => log.some((line) => line.type === type && line.tab === id);

  await t.test('the browser stores in the order in which it is asked, whoever waits', async () => {
    assert.ok(await lab.storesInOrder());
  });

  await t.test('tabs come and go', async () => {
    await lab.ask({ ask: 'set_mode', mode: 'enforce' });
    for (const name of ['news', 'shop']) {
      tabs[name] = await lab.openTab({ url: url(name, 'plain/1'), active: false });
    }
    tabs.pinned = await lab.openTab({ url: url('mail', 'plain/2'), active: false, pinned: true });
    for (const page of ['form', 'shadow/closed']) {
      const { id } = await lab.openTab({ url: url('shop', page) });
      await lab.type(url('shop', page), 'half a name');
      await lab.waitForLog(`${page} is touched`, (log) =>
        log.some((line) => line.type === 'tab_changed' && line.tab === id && line.unsaved),
      );
    }
    tabs.gone = await lab.openTab({ url: url('forum', 'plain/3') });
    tabs.front = await lab.openTab({ url: url('docs', 'plain/4') });
    await lab.chrome('tabs.remove', tabs.gone.id);
    const log = await lab.waitForLog('the tab that was closed', (log) => told(log, 'tab_closed', tabs.gone) && log);
    const { browser, browser_version } = log.find(({ type }) => type === 'session_started');
    assert.equal(browser, 'Firefox');
    assert.match(browser_version, /^\d+\.\d/);
    for (const type of ['tab_opened', 'tab_activated', 'tab_navigated', 'tab_loaded', 'tab_closed']) {
      assert.ok(told(log, type, tabs.gone), type);
    }
    const { host } = log.findLast((line) => line.type === 'tab_navigated' && line.tab === tabs.gone.id);
    assert.equal(host, new URL(tabs.gone.url).hostname);
    assert.equal(log.find((line) => line.type === 'tab_opened' && line.tab === tabs.pinned.id).pinned, true);
  });

  const halvesAre = (inSight) =>
    lab.waitForLog(`the halves are ${inSight ? 'in' : 'out of'} sight`, (log) =>
      [tabs.front, tabs.beside].every(({ id }) => lastTold(log, id, 'in_sight') === inSight),
    );

  await t.test('both halves of a split view are in sight', async () => {
    tabs.beside = await lab.openTab({ url: url('wiki', 'plain/6'), active: false });
    await lab.split(tabs.front.url, tabs.beside.url);
    await halvesAre(true);
  });

  await t.test('a host that is not installed is told as missing', async () => {
    const reason = await lab.inController(
      () =>
        new Promise((resolve) => {
          const port = globalThis.chrome.runtime.connectNative('org.tab_orchestrator.nobody');
          port.onDisconnect.addListener(({ error }) => resolve(error?.message));
        }),
    );
    assert.equal(stateOf(reason), 'host_missing', reason);
  });

  await t.test('the same trace goes on after the host was killed', async () => {
    const [host] = lab.hostPids();
    kill(host, 'SIGKILL');
    tabs.later = await lab.openTab({ url: url('wiki', 'plain/5'), active: false });
    await lab.waitForLog('what happened while there was no host', (log) =>
      log.some((line) => line.type === 'log_resumed') && told(log, 'tab_loaded', tabs.later),
    );
  });

  await t.test('tabs are discarded under their id, told as ours, and none that is guarded', async () => {
    const mayGo = [tabs.news, tabs.shop, tabs.later].map(({ id }) => id).sort();
    const gone = await waitFor(
      'three tabs are discarded',
      async () => {
        const discarded = (await lab.chrome('tabs.query', { discarded: true })).map(({ id }) => id);
        return discarded.length >= mayGo.length && discarded.sort();
      },
      120,
    );
    assert.deepEqual(gone, mayGo);
    const log = await lab.waitForLog('the outcomes', (log) =>
      log.filter((line) => line.type === 'discard_outcome' && line.ok).length === mayGo.length && log,
    );
    const discards = log.filter((line) => line.type === 'tab_discarded');
    assert.deepEqual(discards.map(({ tab }) => tab).sort(), mayGo);
    assert.ok(discards.every(({ by }) => by === 'orchestrator'), JSON.stringify(discards));
    const measured = log.filter((line) => line.type === 'tab_memory' && line.how === 'reclaimed');
    assert.ok(measured.some(({ bytes }) => bytes > 0), JSON.stringify(measured));
  });

  await t.test('a discarded tab comes back', async () => {
    await lab.chrome('tabs.update', tabs.news.id, { active: true });
    await lab.waitForLog('the return is in the log', (log) => {
      const at = log.findIndex((line) => line.type === 'tab_restored' && line.tab === tabs.news.id);
      return at >= 0 && told(log.slice(at), 'tab_loaded', tabs.news);
    });
    await halvesAre(false);
  });

  await t.test('the log agrees with the browser, is sealed, and replays to the same', async () => {
    const open = (await lab.chrome('tabs.query', {})).map(({ id }) => id).sort();
    await lab.waitForLog('the log has the same tabs open', (log) =>
      JSON.stringify([...openInLog(log)].sort()) === JSON.stringify(open),
    );
    await lab.closeBrowser();
    const log = lab.log();
    const numbers = log.filter((line) => line.src === 'ext').map(({ n }) => n);
    assert.deepEqual(numbers, numbers.map((_, index) => index + 1));
    assert.deepEqual(log.filter((line) => line.type === 'dropped'), []);
    assert.equal(log.at(-1).type, 'log_closed');
    const { code, stdout, stderr } = lab.runSim('verify', lab.traces);
    t.diagnostic(stdout.trim());
    assert.equal(code, 0, stdout + stderr);
    const [, equal, all] = /(\d+) of (\d+) decisions equal/.exec(stdout) ?? [];
    assert.ok(Number(all) >= 3, stdout);
    assert.equal(equal, all);
  });
});
