// How long it takes from the wish for memory to a decision in the extension's hands, in a real
// browser with the real host: it is in the log, and the log is synced, before it is sent.
//
//   npm run --silent latency [-- --rounds 100]
//
// Writes {"rounds", "p50_ms", "p99_ms", "max_ms"}. The clock is the worker's own, from the message of
// the popup to the first `discard_tab`.

import { parseArgs } from 'node:util';

import { openLab, waitFor } from './lab/lab.js';

const TABS = 12;

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '100' } } });
const rounds = Number(values.rounds);

// Nothing is decided but what is asked for.
const lab = await openLab({ policy: '[pressure]\nused_from_percent = 99\nused_full_percent = 100\n', probe: true });
try {
  await lab.leavePopup();
  for (let number = 0; number < TABS; number++) {
    await lab.openTab({ url: lab.pages.url('news', `plain/${number}`), active: false });
  }
  await lab.waitUntilLogged(60);
  const ask = (what) => lab.inController((ask) => globalThis.chrome.runtime.sendMessage({ ask }), what);
  for (let round = 1; round <= rounds; round++) {
    await ask('prune');
    await waitFor(`order ${round}`, async () => (await ask('waits')).length === round);
    await restoreAll();
  }
  const waits = (await ask('waits')).sort((a, b) => a - b);
  const quantile = (share) => waits[Math.min(waits.length - 1, Math.floor(share * waits.length))];
  const figures = { rounds, p50_ms: quantile(0.5), p99_ms: quantile(0.99), max_ms: waits.at(-1) };
  console.log(JSON.stringify(figures));
} finally {
  await lab.close();
}

/** Loads again what was discarded, and waits until all of it is in the log. */
async function restoreAll() {
  await waitFor('a tab is discarded', async () => (await discarded()).length > 0);
  for (let gone = await discarded(); gone.length > 0; gone = await discarded()) {
    for (const { id } of gone) {
      await lab.chrome('tabs.reload', id);
      await lab.loaded(id);
    }
  }
  await lab.waitUntilLogged(60);
}

/** The tabs that are discarded now. */
function discarded() {
  return lab.chrome('tabs.query', { discarded: true });
}
