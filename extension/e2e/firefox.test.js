// A session in a real Firefox, with the real extension and the real host: tabs come and go, some are
// discarded, the host is killed, and the log replays to the same decisions.

import assert from 'node:assert/strict';
import { kill } from 'node:process';
import { after, before, test } from 'node:test';

import { openFirefoxOrSkip } from './lab/firefox.js';
import { openInLog } from './lab/judge.js';
import { ALWAYS_HIGH, waitFor } from './lab/lab.js';

// All times are as short as they may be.
const POLICY = `
ttl_minutes = 1
ttl_clock = "awake"
familiarity_cap = 1
cooldown_seconds = 10
batch_high = 4

[focus]
out_ttl_minutes = 1
cluster_minutes = 1
${ALWAYS_HIGH}`;

/** @type {Awaited<ReturnType<typeof openFirefoxOrSkip>>} */
let lab;

before(async () => {
  lab = await openFirefoxOrSkip({ policy: POLICY });
});

after(() => lab?.close());

test('a session in Firefox, to a verified log', { timeout: 240_000 }, async (t) => {
  if (!lab) return t.skip('no browser');
  const url = lab.pages.url;
  const tabs = {};
  const of = (tab) => (line) => line.tab === tab.id;

  await t.test('tabs are opened, changed and closed', async () => {
    for (const name of ['news', 'shop', 'wiki']) {
      tabs[name] = await lab.openTab({ url: url(name, 'plain/1'), active: false });
    }
    tabs.pinned = await lab.openTab({ url: url('mail', 'plain/2'), active: false, pinned: true });
    tabs.gone = await lab.openTab({ url: url('forum', 'plain/3') });
    await lab.chrome('tabs.remove', tabs.gone.id);
    const log = await lab.waitForLog('the tab that was closed', (log) =>
      log.some((line) => line.type === 'tab_closed' && of(tabs.gone)(line)) && log,
    );
    const { browser, browser_version } = log.find(({ type }) => type === 'session_started');
    assert.equal(browser, 'Firefox');
    assert.match(browser_version, /^\d+\.\d/);
    const types = log.filter(of(tabs.gone)).map(({ type }) => type);
    assert.deepEqual(types, ['tab_opened', 'tab_activated', 'tab_navigated', 'tab_loaded', 'tab_closed']);
    const opened = log.find((line) => line.type === 'tab_opened' && of(tabs.pinned)(line));
    t.diagnostic(JSON.stringify(opened));
  });

  await t.test('tabs are discarded, and none that is guarded', async () => {
    await lab.ask({ ask: 'set_mode', mode: 'enforce' });
    const gone = await waitFor(
      'three tabs are discarded',
      async () => {
        const discarded = (await lab.chrome('tabs.query', {})).filter((tab) => tab.discarded);
        return discarded.length >= 3 && discarded;
      },
      120,
    );
    t.diagnostic(JSON.stringify(gone.map(({ id, url }) => [id, url])));
  });
  console.log(lab.log().map((l) => JSON.stringify(l).slice(0, 200)).join('\n'));
});
