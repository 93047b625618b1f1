// The host's health as the popup shows it, in a real Chromium: well, then with a log that cannot
// be written and the reason for it, then well again, with everything that was buffered in the log; and
// a host that hangs.

import assert from 'node:assert/strict';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { kill } from 'node:process';
import { after, before, test } from 'node:test';

import { openLabOrSkip, waitFor } from './lab/lab.js';

/** @type {import('./lab/lab.js').Lab} */
let lab;

before(async () => {
  lab = await openLabOrSkip({});
});

after(() => lab?.close());

/** The ids of the sections that the popup shows. */
const sections = () =>
  lab.inController(() =>
    [...document.querySelectorAll('main > *')].filter((it) => it.checkVisibility()).map(({ id }) => id),
  );

/** Waits until the popup shows a state, and returns all that it says of the host's health. */
async function shown(state) {
  const text = () =>
    lab.inController((state) => {
      const section = document.querySelector('#health');
      const isShown = section?.checkVisibility() && document.querySelector('#health-state').textContent === state;
      return isShown ? section.textContent : null;
    }, state);
  return waitFor(`the popup shows ${state}`, text, 60);
}

test('while the log cannot be written the popup says why, and nothing is lost', { timeout: 240_000 }, async (t) => {
  if (!lab) return t.skip('no browser');
  assert.match(await shown('HEALTHY'), /All is well/);
  await lab.waitForLog('the session is in the log', (log) => log.some(({ type }) => type === 'session_started'));

  // The folder of the log is taken away while no host holds it, and a file put in its place.
  const aside = `${lab.traces}.aside`;
  const [host] = lab.hostPids();
  renameSync(lab.traces, aside);
  writeFileSync(lab.traces, 'no folder');
  kill(host, 'SIGKILL');
  const said = await shown('UNHEALTHY');
  assert.match(said, /It does not work.*The log: UNHEALTHY.*traces/s);
  assert.deepEqual(await sections(), ['trouble', 'health'], 'of tabs and memory nothing is known, and no wish is taken');

  const tab = await lab.openTab({ url: lab.pages.url('news', 'plain/1') });
  await lab.chrome('tabs.remove', tab.id);

  rmSync(lab.traces);
  renameSync(aside, lab.traces);
  assert.match(await shown('HEALTHY'), /All is well/);
  for (const type of ['tab_opened', 'tab_closed']) {
    await lab.waitForLog(`${type} of the tab that nobody could log`, (log) =>
      log.some((line) => line.type === type && line.tab === tab.id),
    );
  }
});

test('a host that hangs is told so, and heard again', { timeout: 180_000 }, async (t) => {
  if (!lab) return t.skip('no browser');
  await shown('HEALTHY');
  const host = lab.hostPids().at(-1);
  const title = () => lab.inController(() => document.querySelector('#trouble-title').textContent);
  kill(host, 'SIGSTOP');
  try {
    await waitFor('the popup says so', async () => (await title()) === 'The host does not answer');
    assert.deepEqual(await sections(), ['trouble']);
  } finally {
    kill(host, 'SIGCONT');
  }
  assert.match(await shown('HEALTHY'), /All is well/);
  assert.equal(lab.hostPids().at(-1), host, 'it is the same one');
});
