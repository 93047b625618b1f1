// Goes into a copy of the extension, before all else in its worker: notes how long it takes from the
// wish for memory to the first order that is in the worker's hands.

const { runtime } = globalThis.chrome;

/** @type {number[]} */
const waits = [];
/** @type {number | undefined} */
let askedAt;

runtime.onMessage.addListener((message, _sender, answer) => {
  if (message?.ask === 'prune') askedAt = performance.now();
  if (message?.ask === 'waits') answer(waits);
});

const connect = runtime.connectNative.bind(runtime);
runtime.connectNative = (host) => {
  const port = connect(host);
  port.onMessage.addListener((message) => {
    if (message.type !== 'discard_tab' || askedAt === undefined) return;
    waits.push(performance.now() - askedAt);
    askedAt = undefined;
  });
  return port;
};
