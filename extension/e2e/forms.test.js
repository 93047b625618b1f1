// What is half-written in a page, in a real Chromium: whatever it was written in, and whenever the
// extension came to the page.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { openLabOrSkip } from './lab/lab.js';

const TEXTS = ['form', 'editor', 'shadow/open', 'shadow/closed', 'drawn'];
const CHOICES = ['box', 'choice'];
const CLEAN = ['plain/1', 'form/1'];

/** @type {import('./lab/lab.js').Lab} */
let lab;

before(async () => {
  lab = await openLabOrSkip({});
});

after(() => lab?.close());

test('what is half-written is told', { timeout: 120_000 }, async (t) => {
  if (!lab) return t.skip('no browser');
  const tabs = {};
  const address = (page) => lab.pages.url('forms', page);
  /** What the present log says of a page: touched, clean, or nothing. */
  const told = (page) => {
    const lines = (lab.logs().at(-1)?.lines ?? []).filter(({ type }) => type === 'tab_changed');
    return lines.findLast(({ tab, unsaved }) => tab === tabs[page].id && unsaved !== undefined)?.unsaved;
  };
  /** Waits until of each page that is told. */
  const allTold = async (touched, pages) => {
    const found = () => Object.fromEntries(pages.map((page) => [page, told(page)]));
    const expected = Object.fromEntries(pages.map((page) => [page, touched]));
    const isSo = () => pages.every((page) => told(page) === touched);
    await lab.waitForLog('it is told', isSo, 10).catch(() => undefined);
    assert.deepEqual(found(), expected);
  };

  await t.test('while it is written', async () => {
    for (const page of [...TEXTS, ...CHOICES, ...CLEAN]) tabs[page] = await lab.openTab({ url: address(page) });
    for (const page of TEXTS) await lab.type(address(page), 'half a text');
    await lab.evaluate(address('box'), () => globalThis.field.click());
    await allTold(true, [...TEXTS, 'box']);
    await allTold(false, ['choice', ...CLEAN]);
  });

  await t.test('and no longer when it is taken back', async () => {
    const taken = ['shadow/closed', 'editor'];
    for (const page of taken) {
      await lab.inPage(address(page), ({ Input }) =>
        Input.dispatchKeyEvent({ type: 'rawKeyDown', key: 'a', commands: ['selectAll', 'deleteBackward'] }),
      );
    }
    await allTold(false, taken);
    for (const page of taken) await lab.type(address(page), 'half a text');
    await allTold(true, taken);
  });

  await t.test('in pages that are opened after the worker was stopped', async () => {
    assert.ok(await lab.stopWorker(), 'a service worker runs');
    tabs['form/2'] = await lab.openTab({ url: address('form/2') });
    await lab.type(address('form/2'), 'half a text');
    await allTold(true, ['form/2']);
  });

  for (const how of /** @type {const} */ (['updated', 'switched off and on'])) {
    await t.test(`in pages that are open when the extension is ${how}`, async () => {
      await lab.evaluate(address('choice'), () => (globalThis.field.value = 'two'));
      await lab.restartExtension(how);
      const written = [...TEXTS, ...CHOICES];
      await allTold(true, written);
      await allTold(false, CLEAN);
      await lab.type(address('form/1'), how);
      await allTold(true, ['form/1']);
      await lab.evaluate(address('form/1'), () => (document.querySelector('input').value = ''));
    });
  }
});
