/**
 * The worker as a whole: what it is made of and who tells whom.
 *
 * Everything that reaches the log passes through one sequence, which starts when the store has
 * been read. Nothing here is the truth: that is in the store and, once acknowledged, in the log.
 *
 * @import {Browser, Connection, EventBody, HostMessage, Question, View} from "../types"
 */

import { explanationFrom, orderFrom, statusFrom, text, whole } from "./answers.js";
import { Executor } from "./executor.js";
import { FormsWatch } from "./forms-watch.js";
import { Intents } from "./intents.js";
import { Outbox } from "./outbox.js";
import { ALARM, HostError, HostPort } from "./port.js";
import { report } from "./report.js";
import { Sequence } from "./sequence.js";
import { openSession } from "./session.js";
import { Store } from "./store.js";
import { Tracker } from "./tracker.js";

const WELCOMED = "welcomed";
const SETUP_PAGE = "pages/setup.html";

/** The host could refuse the very snapshot that was to set things right. */
const SNAPSHOT_EVERY_MS = 60_000;

/**
 * Starts the worker. Registers every listener before it returns.
 *
 * @param {Browser} browser
 */
export function start(browser) {
  const sequence = new Sequence();
  const ready = open(browser, sequence);
  // Queued first, so that no event is handled before the store has been read.
  sequence.run(() => ready);

  /** @param {(parts: Parts) => void} job */
  const inOrder = (job) => sequence.run(async () => job(await ready));
  /** @param {(parts: Parts) => unknown} job */
  const soon = (job) => void ready.then(job).catch(report);

  browser.listen({
    tabCreated: (at, tab) => inOrder(({ tracker }) => tracker.tabCreated(at, tab)),
    tabUpdated: (at, id, change, tab) =>
      inOrder(({ tracker, forms }) => {
        tracker.tabUpdated(at, id, change, tab);
        if (change.status === "complete") forms.loaded(id);
      }),
    tabActivated: (at, id, win) => inOrder(({ tracker }) => tracker.tabActivated(at, id, win)),
    tabAttached: (at, id, win) => inOrder(({ tracker }) => tracker.tabAttached(at, id, win)),
    tabReplaced: (at, id, old) => inOrder(({ tracker }) => tracker.tabReplaced(at, id, old)),
    tabRemoved: (at, id) => inOrder(({ tracker }) => tracker.tabRemoved(at, id)),
    windowCreated: (at, win) => inOrder(({ tracker }) => tracker.windowCreated(at, win)),
    windowRemoved: (at, id) => inOrder(({ tracker }) => tracker.windowRemoved(at, id)),
    windowFocused: (at, id) => inOrder(({ tracker }) => tracker.windowFocused(at, id)),
    idleChanged: (at, state) => inOrder(({ tracker }) => tracker.idleChanged(at, state)),
    formTold: (at, tab, message) => inOrder(({ forms }) => forms.told(at, tab, message)),
    alarm: (name) => soon(({ port }) => name === ALARM && port.connectWhenDue()),
    permissionsChanged: () => soon(({ forms }) => forms.refresh(false)),
    installed: () => void welcome(browser).catch(report),
    asked: async (question) => answer(browser, await ready, question),
  });
}

/**
 * @typedef {object} Parts
 * @property {Tracker} tracker
 * @property {Outbox} outbox
 * @property {HostPort} port
 * @property {Executor} executor
 * @property {FormsWatch} forms
 */

/**
 * Reads the store and puts the parts together.
 *
 * @param {Browser} browser
 * @param {Sequence} sequence
 * @returns {Promise<Parts>}
 */
async function open(browser, sequence) {
  const store = new Store(browser.session);
  const saved = await store.load();
  const session = openSession(saved, store, browser);
  const intents = new Intents(saved, store, browser.now);
  const outbox = new Outbox(saved, store, () => snapshotSoon());
  /** @param {number} at @param {EventBody} body */
  const emit = (at, body) => outbox.append(at, body);
  const tracker = new Tracker(saved, store, intents, emit);
  const forms = new FormsWatch(browser, tracker);
  const executor = new Executor(browser, intents, tracker, emit);

  /** Whether all since the last snapshot was seen, so that the first hello needs no other. */
  let isSnapshotFresh = false;
  let complaintAt = -Infinity;
  /** The log that the host greeted with last. @type {string | null} */
  let log = null;

  const port = new HostPort(browser, saved, store, session.id, {
    firstN: () => outbox.firstN,
    onHello(hello) {
      log = text(hello.session);
      outbox.open(whole(hello.last_n), (message) => port.post(message));
      if (!isSnapshotFresh) snapshotSoon();
      isSnapshotFresh = false;
    },
    onGone: () => outbox.close(),
    onMessage(message) {
      if (message.type === "ack") outbox.acknowledge(whole(message.n));
      // In the sequence, so that what was told before the order came has been heard.
      else if (message.type === "discard_tab") {
        const of = log;
        sequence.run(() => executor.discard(orderFrom(message, of)));
      }
      else if (message.type === "error") complained(message);
    },
    onChange: (connection) => void showBadge(browser, connection).catch(report),
  });

  function snapshotSoon() {
    sequence.run(() => takeSnapshot(browser, tracker));
  }

  /** @param {HostMessage} error */
  function complained(error) {
    report(`the host says ${text(error.code)}: ${text(error.message)}`);
    if (error.code === "event_gap") {
      outbox.sendAgain(whole(error.expected));
    } else if (error.code === "bad_event" && browser.elapsed() - complaintAt >= SNAPSHOT_EVERY_MS) {
      complaintAt = browser.elapsed();
      snapshotSoon();
    }
  }

  // At the browser's start nothing is known yet, and events are already on their way.
  if (session.isNew) {
    try {
      await takeSnapshot(browser, tracker);
      isSnapshotFresh = true;
    } catch (error) {
      // The first hello brings another; a worker that gave up here would never hear of one.
      report(error);
    }
  }
  executor.settleInherited();
  forms.refresh(session.isNew);
  port.connect();
  return { tracker, outbox, port, executor, forms };
}

/**
 * @param {Browser} browser
 * @param {Tracker} tracker
 */
async function takeSnapshot(browser, tracker) {
  const at = browser.now();
  const [windows, idle, identity] = await Promise.all([
    browser.everything(),
    browser.userState().catch(() => null),
    browser.identity(),
  ]);
  tracker.snapshot(at, windows, idle, identity, browser.now());
}

/**
 * What a page of the extension asks.
 *
 * @param {Browser} browser
 * @param {Parts} parts
 * @param {Question} question
 * @returns {Promise<unknown>}
 */
async function answer(browser, { outbox, port }, question) {
  switch (question.ask) {
    case "view": {
      // While somebody looks, waiting for the next attempt helps nobody.
      port.connect();
      const isAsked = port.isReachable;
      const [status, forms_seen] = await Promise.all([
        isAsked ? port.request({ type: "status" }).then(statusFrom).catch(noStatus) : null,
        browser.mayReadPages(),
      ]);
      const { state } = port.connection;
      const isSilent = isAsked && status === null && state === "connected";
      const connection = { ...port.connection, state: isSilent ? "silent" : state };
      return /** @type {View} */ ({ connection, status, forms_seen, waiting: outbox.waiting });
    }
    case "explain":
      return port.request({ type: "explain", tab: question.tab }).then(explanationFrom);
    case "policy":
      return port.request({ type: "policy" });
    case "change_policy":
      return port.request({ type: "change_policy", policy: question.policy });
    case "set_mode":
      return port.request({ type: "set_mode", mode: question.mode });
    case "pause":
      return port.request({ type: "pause", until_ms: question.until_ms });
    case "set_privacy": {
      const { ask: type, ...choice } = question;
      return port.request({ type, ...choice });
    }
    case "prune":
      // An event is kept until there is a log, and by then nobody asks any more.
      if (port.connection.state !== "connected") {
        throw new HostError("no_host", "There is no host to decide it.");
      }
      outbox.append(browser.now(), { type: "prune_requested", tab: null });
      return null;
    default:
      throw new HostError("unknown_question", "The worker does not know this question.");
  }
}

/** @param {unknown} error */
function noStatus(error) {
  report(error);
  return null;
}

/**
 * A mark on the button when the user has something to do.
 *
 * @param {Browser} browser
 * @param {Connection} connection
 */
async function showBadge(browser, { state }) {
  const hasTrouble = state !== "connected" && state !== "connecting";
  const title = hasTrouble ? "Tab Orchestrator: no connection to its host" : "Tab Orchestrator";
  await browser.setBadge(hasTrouble ? "!" : "", title);
}

/**
 * Opens the page that explains, once. An unpacked extension counts as installed at every start of
 * the browser.
 *
 * @param {Browser} browser
 */
async function welcome(browser) {
  const kept = await browser.local.get();
  if (kept[WELCOMED] === true) return;
  await browser.local.set({ [WELCOMED]: true });
  await browser.openPage(SETUP_PAGE);
}
