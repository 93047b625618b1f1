// The choice of privacy in a real Chromium, as a person makes it: on the settings page. From there
// on no name is written; both logs replay to their decisions; and what is erased is gone.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { ALWAYS_HIGH, openLabOrSkip, waitFor } from './lab/lab.js';

/** @type {import('./lab/lab.js').Lab} */
let lab;

before(async () => {
  lab = await openLabOrSkip({ policy: ALWAYS_HIGH });
});

after(() => lab?.close());

test('a choice on the settings page hides the names from there on', { timeout: 300_000 }, async (t) => {
  if (!lab) return t.skip('no browser');
  const url = lab.pages.url;
  for (const host of ['news', 'mail', 'shop']) await lab.openTab({ url: url(host, 'plain/1') });
  const { hostname: mail } = new URL(url('mail', ''));
  const tells = (lines, name) => lines.some((line) => JSON.stringify(line).includes(name));
  await lab.waitForLog('the host is in the log', (log) => tells(log, mail));

  // A page that nobody looks at does not refresh.
  await lab.goTo('pages/options.html');
  const { id } = await lab.chrome('tabs.getCurrent');
  await lab.chrome('tabs.update', id, { active: true });
  const choice = '#privacy input[value=keyed-hash]';
  await waitFor('the settings show the choice', () =>
    lab.inController((choice) => {
      const radio = document.querySelector(choice);
      return radio?.checkVisibility() && !radio.matches(':disabled');
    }, choice),
  );
  await lab.inController((choice) => {
    document.querySelector(choice).click();
    document.querySelector('#use-privacy').click();
  }, choice);
  const [plain, hidden] = await waitFor('a second log has what is open', () => {
    const logs = lab.logs();
    const isBegun = logs[1]?.lines.some((line) => line.type === 'session_started');
    return isBegun && logs;
  });
  assert.equal(plain.lines[0].privacy, 'hostname');
  assert.equal(plain.lines.at(-1).type, 'log_closed');
  assert.equal(hidden.lines[0].privacy, 'keyed-hash');

  await lab.openTab({ url: url('wiki', 'plain/2') });
  await lab.waitUntilLogged();
  const { lines } = lab.logs()[1];
  const { tabs } = lines.find((line) => line.type === 'session_started');
  const hosts = tabs.map(({ host }) => host).filter(Boolean);
  assert.ok(hosts.length >= 3, JSON.stringify(tabs));
  for (const host of hosts) assert.match(host, /^[0-9a-f]{32}\.invalid$/);
  for (const name of ['news', 'mail', 'shop', 'wiki']) {
    assert.ok(!tells(lines, new URL(url(name, '')).hostname), name);
  }
  assert.ok(await lab.inController((choice) => document.querySelector(choice).checked, choice));
  await lab.closeBrowser();

  for (const { file } of lab.logs()) {
    const { code, stdout, stderr } = lab.runSim('verify', file);
    assert.equal(code, 0, stdout + stderr);
  }
  const state = join(lab.state, 'tab-orchestrator');
  assert.doesNotMatch(readFileSync(join(state, 'knowledge.json'), 'utf8'), new RegExp(mail));

  execFileSync(join(lab.folder, 'tab-orchestrator-host'), ['erase', '--yes'], {
    env: lab.setup.environment,
    stdio: 'ignore',
  });
  assert.ok(!existsSync(lab.traces));
  const settings = ['mode.json', 'privacy.json'];
  for (const left of readdirSync(state)) assert.ok(settings.includes(left), left);
});
