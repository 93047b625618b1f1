// Whether a log holds what it must, against what others saw: the browser's own events, and what the
// extension's store said was acknowledged. It reads nothing itself, so that tests can lie to it.

/**
 * @typedef {object} Check
 * @property {string} name what must hold
 * @property {number} count how many times it was looked at
 * @property {string[]} wrong where it did not hold
 */

/** How far the clocks of two processes of one machine may seem apart. */
const CLOCKS_MS = 50;

/** How long before and after it is asked to, a browser that has much to do may be stopping a worker. */
const STOPPING_MS = 250;

/**
 * Judges one session's log at its end.
 *
 * @param {object[]} log its lines
 * @param {object} seen
 * @param {number[]} seen.open the ids of the tabs that are open
 * @param {import('./witness.js').Witness} seen.witness
 * @param {Acknowledged[]} seen.stores what the store held along the way
 * @param {Set<number>} seen.heard the tabs whose opening a bare listener in the worker could store
 * @param {{ from_ms: number, until_ms: number }[]} seen.stops when a worker was being stopped
 * @returns {Check[]}
 */
export function judge(log, { open, witness, stores, heard, stops }) {
  return [
    placesHaveNoGap(log),
    numbersHaveNoGap(log),
    nothingIsGivenUp(log),
    acknowledgedIsThere(log, stores),
    storedIsThere(log, stores),
    nothingHappensTwice(log),
    discardsAreDecided(log),
    seenDiscardsAreDecided(log, witness),
    nobodyElseDiscards(log),
    guardsHold(witness),
    tabsAppear(log, witness, heard, stops),
    bareListenerHears(witness, heard, stops),
    sameTabsAreOpen(log, open),
  ];
}

/**
 * What the extension's store said at one moment.
 *
 * @typedef {object} Acknowledged
 * @property {number} last_n the highest number that was given to an event
 * @property {Map<number, object>} kept events that were not acknowledged, by their number
 * @property {Set<number>} logged the numbers in the log, read after the store
 */

/**
 * @param {Record<string, unknown>} stored all of `storage.session`
 * @param {object[]} log
 * @returns {Acknowledged}
 */
export function acknowledged(stored, log) {
  return {
    last_n: Number(stored.last_n ?? 0),
    kept: waitingIn(stored),
    logged: new Set(fromExtension(log).map(({ n }) => n)),
  };
}

/**
 * The events that wait in the extension's store, by their number.
 *
 * @param {Record<string, unknown>} stored all of `storage.session`
 */
export function waitingIn(stored) {
  // What is null has gone: its key goes a moment later.
  const events = Object.entries(stored).filter(([key, value]) => key.startsWith('event:') && value !== null);
  return new Map(events.map(([key, event]) => [Number(key.slice('event:'.length)), event]));
}

/** The tabs that are open at the end of a log. */
export function openInLog(log) {
  let open = new Set();
  for (const line of log) {
    if (line.type === 'session_started') open = new Set(line.tabs.map((tab) => tab.tab));
    if (line.type === 'tab_opened') open.add(line.tab);
    if (line.type === 'tab_closed') open.delete(line.tab);
    if (line.type === 'tab_replaced') {
      open.delete(line.old);
      open.add(line.tab);
    }
  }
  return open;
}

const fromExtension = (log) => log.filter((line) => line.src === 'ext');

function placesHaveNoGap(log) {
  const wrong = log.flatMap(({ seq }, place) => (seq === place ? [] : [`line ${place} has seq ${seq}`]));
  return { name: 'every line follows the one before', count: log.length, wrong };
}

function numbersHaveNoGap(log) {
  const lines = fromExtension(log);
  const wrong = lines.flatMap(({ n }, place) => (n === place + 1 ? [] : [`event ${place + 1} has n ${n}`]));
  return { name: 'no event is missing or there twice, by its number', count: lines.length, wrong };
}

function nothingIsGivenUp(log) {
  const dropped = log.filter((line) => line.type === 'dropped');
  const wrong = dropped.map(({ seq, count, why }) => `seq ${seq}: ${count} events, ${why}`);
  return { name: 'nothing was given up', count: log.length, wrong };
}

/** At once after a kill: what was said to be synced is read back while nobody has tidied up. */
function acknowledgedIsThere(log, stores) {
  const atLast = new Set(fromExtension(log).map(({ n }) => n));
  let count = 0;
  const wrong = [];
  for (const [index, { last_n, kept, logged }] of stores.entries()) {
    for (let n = 1; n <= last_n; n += 1) {
      if (kept.has(n)) continue;
      count += 1;
      if (!logged.has(n)) wrong.push(`event ${n} was not in the log at look ${index}`);
      if (!atLast.has(n)) wrong.push(`event ${n} of look ${index} is not in the log at last`);
    }
  }
  return { name: 'every acknowledged event is in the log, then and at last', count, wrong };
}

/** Not only a number: the event that waited under a number is the one that is in the log. */
function storedIsThere(log, stores) {
  const byNumber = new Map(fromExtension(log).map((line) => [line.n, line]));
  let count = 0;
  const wrong = [];
  for (const [n, event] of stores.flatMap(({ kept }) => [...kept])) {
    count += 1;
    const line = byNumber.get(n);
    const isSame = line?.type === event.type && line?.tab === (event.tab ?? undefined) && line?.at_ms === event.at_ms;
    if (!isSame) wrong.push(`event ${n} was ${event.type} of tab ${event.tab}, found ${line?.type} of tab ${line?.tab}`);
  }
  return { name: 'every event that waited came into the log as it was', count, wrong };
}

/** A tab closes once, a decision has one outcome. Ids are not used again within a session. */
function nothingHappensTwice(log) {
  const keyOf = {
    tab_opened: ({ tab }) => tab,
    tab_closed: ({ tab }) => tab,
    tab_replaced: ({ old }) => old,
    discard_outcome: ({ decision }) => decision,
  };
  const seen = new Set();
  const wrong = [];
  for (const line of log) {
    const key = keyOf[line.type]?.(line);
    if (key === undefined) continue;
    const once = `${line.type} ${key}`;
    if (seen.has(once)) wrong.push(`seq ${line.seq}: ${once} for the second time`);
    seen.add(once);
  }
  return { name: 'nothing happens twice that can happen once', count: seen.size, wrong };
}

function discardsAreDecided(log) {
  const decisions = new Map();
  /** The ids of tabs that a decision stands for, across their change. */
  const decided = new Set();
  let count = 0;
  const wrong = [];
  for (const line of log) {
    if (line.type === 'decision' && line.mode === 'enforce') {
      decisions.set(line.seq, line);
      decided.add(line.tab);
    } else if (line.type === 'tab_replaced' && decided.has(line.old)) {
      decided.add(line.tab);
    } else if (line.type === 'discard_outcome' && line.ok) {
      count += 1;
      if (decisions.get(line.decision)?.tab !== line.tab) wrong.push(`seq ${line.seq}: outcome without its decision`);
    } else if (line.type === 'tab_discarded' && line.by === 'orchestrator') {
      count += 1;
      if (!decided.has(line.tab)) wrong.push(`seq ${line.seq}: tab ${line.tab} discarded without a decision`);
    }
  }
  return { name: 'every discard in the log has its decision before it', count, wrong };
}

function seenDiscardsAreDecided(log, { discards }) {
  const decisions = log.filter((line) => line.type === 'decision' && line.mode === 'enforce');
  const wrong = discards
    .filter(({ old, at_ms }) => !decisions.some(({ tab, t_ms }) => tab === old && t_ms <= at_ms + CLOCKS_MS))
    .map(({ old, at_ms }) => `tab ${old} was discarded at ${at_ms} and no decision says so`);
  return { name: 'every discard that the browser told of has its decision in the log', count: discards.length, wrong };
}

function nobodyElseDiscards(log) {
  const discards = log.filter((line) => line.type === 'tab_discarded');
  const wrong = discards.filter(({ by }) => by !== 'orchestrator').map(({ seq, tab }) => `seq ${seq}: tab ${tab}`);
  return { name: 'every discard in the log is told as ours', count: discards.length, wrong };
}

function guardsHold({ discards }) {
  const wrong = discards
    .filter(({ guards }) => guards.length > 0)
    .map(({ old, at_ms, guards }) => `tab ${old} at ${at_ms}: ${guards.join(', ')}`);
  return { name: 'no guarded tab was discarded', count: discards.length, wrong };
}

/**
 * A tab may be missing only if it came and went while a worker was being stopped, and the browser no
 * longer did for a bare listener what that asked in the moment in which it was told.
 */
function tabsAppear(log, { opened, closed }, heard, stops) {
  const told = new Set();
  for (const line of log) {
    if (line.type === 'tab_opened' || line.type === 'tab_replaced') told.add(line.tab);
    for (const { tab } of line.tabs ?? []) told.add(tab);
  }
  const open = openInLog(log);
  const gone = new Set(closed);
  const missing = [...opened].filter(([id]) => !told.has(id));
  const wrong = [
    ...missing
      .filter(([id, at_ms]) => heard.has(id) || !gone.has(id) || !isStopping(at_ms, stops))
      .map(([id]) => `tab ${id} was opened and is not in the log`),
    ...closed.filter((id) => open.has(id)).map((id) => `tab ${id} was closed and is open in the log`),
  ];
  const count = opened.size + closed.length;
  return { name: 'every tab that was opened or closed is so in the log', count, wrong };
}

/** The listener that excuses a missing tab must be no deaf one. */
function bareListenerHears({ opened }, heard, stops) {
  const asked = [...opened].filter(([, at_ms]) => !isStopping(at_ms, stops));
  const wrong = asked.filter(([id]) => !heard.has(id)).map(([id]) => `tab ${id}`);
  return { name: 'a bare listener hears of every tab that opens while no worker is being stopped', count: asked.length, wrong };
}

const isStopping = (at_ms, stops) =>
  stops.some(({ from_ms, until_ms }) => from_ms - STOPPING_MS <= at_ms && at_ms <= until_ms + STOPPING_MS);

function sameTabsAreOpen(log, open) {
  const inLog = openInLog(log);
  const wrong = [
    ...open.filter((id) => !inLog.has(id)).map((id) => `tab ${id} is open and not in the log`),
    ...[...inLog].filter((id) => !open.includes(id)).map((id) => `tab ${id} is in the log and not open`),
  ];
  return { name: 'at the end the log has the same tabs open as the browser', count: open.length, wrong };
}
