// Goes into a copy of the extension, before all else in its worker: notes how long it takes from the
// wish for memory to the first order that is in the worker's hands, and how much of that the event is
// away from the worker. Beside it, how long a ping is: the browser's own way to the host and back.

const { runtime } = globalThis.chrome;

/** The worker counts its requests from one, and passes over answers to what it did not ask. */
const PROBE = Number.MAX_SAFE_INTEGER;

/** @type {{ fromWishMs: number, fromEventMs: number }[]} */
const waits = [];
/** @type {number[]} */
const pings = [];
/** @type {(() => void) | undefined} */
let ping;
/** @type {number | undefined} */
let askedAt;
let sentAt = 0;

runtime.onMessage.addListener((message, _sender, answer) => {
  if (message?.ask === 'prune') askedAt = performance.now();
  if (message?.ask === 'ping') ping?.();
  if (message?.ask === 'pings') answer(pings);
  if (message?.ask === 'waits') answer(waits);
});

const connect = runtime.connectNative.bind(runtime);
runtime.connectNative = (host) => {
  const port = connect(host);
  const post = port.postMessage.bind(port);
  port.postMessage = (message) => {
    if (message.events?.some(({ type }) => type === 'prune_requested')) sentAt = performance.now();
    post(message);
  };
  let pingedAt = 0;
  ping = () => {
    pingedAt = performance.now();
    post({ type: 'ping', request: PROBE });
  };
  port.onMessage.addListener((message) => {
    if (message.request === PROBE) pings.push(performance.now() - pingedAt);
    if (message.type !== 'discard_tab' || askedAt === undefined) return;
    const now = performance.now();
    waits.push({ fromWishMs: now - askedAt, fromEventMs: now - sentAt });
    askedAt = undefined;
  });
  return port;
};
