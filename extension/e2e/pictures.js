// Takes pictures of popup and settings in a real Chromium with the real host: light, dark and narrow.
//
//     npm run pictures -- FOLDER
//
// `popup-light.png` is the one that is kept as `e2e/popup.png`.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { SHORT_TIMES, openLab, waitFor } from './lab/lab.js';

/** What is taken of each page: the widths of its window, in CSS pixels. */
const PAGES = { popup: [360], options: [760, 340], setup: [760, 340] };

const [folder] = process.argv.slice(2);
if (!folder) {
  console.error('usage: npm run pictures -- FOLDER');
  process.exit(2);
}
mkdirSync(folder, { recursive: true });

const lab = await openLab({ policy: `ttl_minutes = 1\nttl_clock = "awake"${SHORT_TIMES}` });
try {
  await lab.setMode('enforce');
  for (const [site, number] of [['news', 90], ['mail', 1], ['wiki', 2]]) {
    await lab.openTab({ url: lab.pages.url(site, `plain/${number}`), active: false });
  }
  await lab.openTab({ url: lab.pages.url('docs', 'plain/3'), pinned: true });
  await waitFor(
    'three tabs are discarded',
    async () => (await lab.chrome('tabs.query', { discarded: true })).length === 3,
    120,
  );
  // By its own settings this machine has enough memory.
  writeFileSync(lab.policyFile, '');
  await lab.waitForLog('a sample under the default policy', (log) => {
    const changes = log.flatMap(({ type }, index) => (type === 'policy_changed' ? [index] : []));
    return changes.length > 1 && log.slice(changes.at(-1)).some(({ type }) => type === 'metrics');
  });
  for (const [page, widths] of Object.entries(PAGES)) {
    await lab.goTo(`pages/${page}.html`);
    const { id } = await lab.chrome('tabs.getCurrent');
    await lab.chrome('tabs.update', id, { active: true });
    await waitFor('the page is filled', () =>
      lab.inController(() => !/Connecting|^\s*$/.test(document.body.innerText) && !document.querySelector('fieldset:disabled')),
    );
    for (const scheme of ['light', 'dark']) {
      for (const width of widths) await take(`${page}-${scheme}${width === widths[0] ? '' : '-narrow'}`, scheme, width);
    }
  }
} finally {
  await lab.close();
}

/** Takes a picture of the whole page, two pixels to each of CSS. */
async function take(name, scheme, width) {
  const { Emulation, Page } = lab.controller;
  await Emulation.setEmulatedMedia({ features: [{ name: 'prefers-color-scheme', value: scheme }] });
  const sized = (height) => Emulation.setDeviceMetricsOverride({ width, height, deviceScaleFactor: 2, mobile: false });
  await sized(2_000);
  // Once more a refresh, which comes every other second.
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  const height = await lab.inController(() => Math.ceil(document.documentElement.getBoundingClientRect().height));
  const overflow = await lab.inController(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (overflow > 0) console.error(`${name}: ${overflow} pixels wider than its window`);
  await sized(height);
  const { data } = await Page.captureScreenshot({ format: 'png' });
  writeFileSync(join(folder, `${name}.png`), Buffer.from(data, 'base64'));
}
