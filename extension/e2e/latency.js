// How long it takes from the wish for memory to a decision in the extension's hands, in a real
// browser with the real host: it is in the log, and the log is synced, before it is sent.
//
//   npm run --silent latency [-- --rounds 30]
//
// Writes {"rounds", "from_event": {"p50_ms", "p99_ms", "max_ms"}, "from_wish": …, "ping": …}. The clock
// is the worker's own, up to the first `discard_tab`: from when `prune_requested` is sent to the host,
// and from the popup's message. A ping, which the host answers at once, is sent before each wish.

import { parseArgs } from 'node:util';

import { openLab, waitFor } from './lab/lab.js';

const TABS = 12;

/** How long a tab must have been out of the front before anybody may ask for its memory. */
const MINIMUM_MS = 60_000;

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '30' } } });
const rounds = Number(values.rounds);

/** The host has one order open at a time, until it has measured what it freed: the next wish waits for that. */
const SETTLED_MS = 2_000;

/** For how long somebody looks at the popup before they press its button. */
const LOOKED_MS = 500;

/** Nothing is decided but what is asked for, a tab at a time. */
const POLICY = `
batch_high = 1

[pressure]
used_from_percent = 99
used_full_percent = 100
`;

const lab = await openLab({ policy: POLICY, probe: true });
try {
  await lab.leavePopup();
  for (let number = 0; number < TABS; number++) {
    await lab.openTab({ url: lab.pages.url('news', `plain/${number}`), active: false });
  }
  await lab.waitUntilLogged(60);
  await pause(MINIMUM_MS);
  const ask = (what) => lab.inController((ask) => globalThis.chrome.runtime.sendMessage({ ask }), what);
  for (let round = 1; round <= rounds; round++) {
    await ask('ping');
    await waitFor(`pong ${round}`, async () => (await ask('pings')).length === round);
    // As the popup does when it is opened.
    await ask('view');
    await pause(LOOKED_MS);
    await ask('prune');
    await waitFor(`order ${round}`, async () => (await ask('waits')).length === round);
    await restoreAll();
    await pause(SETTLED_MS);
  }
  const waits = await ask('waits');
  const figures = {
    rounds,
    from_event: quantiles(waits.map(({ fromEventMs }) => fromEventMs)),
    from_wish: quantiles(waits.map(({ fromWishMs }) => fromWishMs)),
    ping: quantiles(await ask('pings')),
  };
  console.log(JSON.stringify(figures));
} finally {
  await lab.close();
}

/** @param {number} ms */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** @param {number[]} waits */
function quantiles(waits) {
  waits.sort((a, b) => a - b);
  const quantile = (share) => waits[Math.min(waits.length - 1, Math.floor(share * waits.length))];
  return { p50_ms: quantile(0.5), p99_ms: quantile(0.99), max_ms: waits.at(-1) };
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
