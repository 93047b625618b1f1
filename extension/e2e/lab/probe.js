// Goes into a copy of the extension, before all else in its worker: notes how long it takes from the
// wish for memory to the first order that is in the worker's hands, and how much of that the event is
// away from the worker.

const { runtime } = globalThis.chrome;

/** @type {{ fromWishMs: number, fromEventMs: number }[]} */
const waits = [];
/** @type {number | undefined} */
let askedAt;
let sentAt = 0;

runtime.onMessage.addListener((message, _sender, answer) => {
  if (message?.ask === 'prune') askedAt = performance.now();
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
  port.onMessage.addListener((message) => {
    if (message.type !== 'discard_tab' || askedAt === undefined) return;
    const now = performance.now();
    waits.push({ fromWishMs: now - askedAt, fromEventMs: now - sentAt });
    askedAt = undefined;
  });
  return port;
};
