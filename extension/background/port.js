/**
 * The connection to the native messaging host: handshake, requests, and coming back.
 *
 * While the port is open the browser keeps the worker alive. When it closes, a timer tries again,
 * later and later; an alarm stands behind the timer, because a timer dies with the worker. Without
 * a host the extension harms nothing: it keeps its events and waits.
 *
 * @import {Browser, Connection, ConnectionState, HostMessage, Identity, NativePort} from "../types"
 * @import {Store} from "./store.js"
 */

import { text } from "./answers.js";
import { report } from "./report.js";

/** The name in the host's manifest. */
export const HOST = "org.tab_orchestrator.host";

/** The versions of `native-host/PROTOCOL.md` that this extension speaks. */
const PROTOCOL = [1, 1];

export const ALARM = "connect";

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 5 * 60_000;
/** The browser fires no alarm sooner. */
const SHORTEST_ALARM_MS = 30_000;
/** A connection that held this long was a good one: the next retry is the first again. */
const GOOD_AFTER_MS = 10_000;
const ANSWER_MS = 5_000;
/** A host may wait 3 s for the log that the one before it still writes. */
const HELLO_MS = 15_000;

/**
 * How much a host may say within a second, and what counts for more: a hello and an error may make
 * the extension send again all that waits. A good host says a hundredth of it.
 */
const PATIENCE = 1_000;
const PATIENCE_MS = 1_000;
const BURDENS = new Map([["hello", 100], ["error", 10]]);

/**
 * What a host says that is a state of the connection, by its code.
 *
 * @type {Map<unknown, ConnectionState>}
 */
const COMPLAINTS = new Map([
  ["forbidden_origin", "forbidden"],
  ["protocol_mismatch", "protocol_mismatch"],
  ["log_unavailable", "log_unavailable"],
  ["log_locked", "log_unavailable"],
]);

const BACKOFF = "backoff";

/** @typedef {Pick<Browser, "now" | "elapsed" | "random" | "setTimeout" | "clearTimeout" | "connectNative" | "setAlarm" | "identity">} Tools */

/**
 * @typedef {object} Handlers
 * @property {() => number} firstN the number of the first event that the host may not have
 * @property {(hello: HostMessage) => void} onHello the host is there, or its log is again
 * @property {() => void} onGone
 * @property {(message: HostMessage) => void} onMessage what is no answer to a request
 * @property {(connection: Connection) => void} onChange the state changed
 */

/** What the host refused, or why it could not be asked. */
export class HostError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{ fix?: string | null, field?: string | null }} [more]
   */
  constructor(code, message, more = {}) {
    super(message);
    this.code = code;
    this.fix = more.fix ?? null;
    this.field = more.field ?? null;
  }
}

export class HostPort {
  /** @type {Tools} */
  #browser;
  /** @type {Store} */
  #store;
  /** @type {string} */
  #session;
  /** @type {Handlers} */
  #handlers;
  /** @type {NativePort | null} */
  #port = null;
  #isConnecting = false;
  /** @type {number | null} when the host said hello on this port, as time elapsed */
  #greetedAt = null;
  /** What the host said was wrong, on this port. It may be the reason for its leaving. */
  #complaint = false;
  /** What the host has said in the present second, and when that began. */
  #burden = 0;
  #burdenSince = 0;
  #attempts = 0;
  /** @type {unknown} */
  #retryTimer = null;
  /** @type {unknown} */
  #helloTimer = null;
  #lastRequest = 0;
  /** @type {Map<number, { resolve: (answer: HostMessage) => void, reject: (error: Error) => void, timer: unknown }>} */
  #requests = new Map();
  /** @type {Connection} */
  #connection = {
    state: "connecting",
    detail: null,
    fix: null,
    host_version: null,
    next_attempt_ms: null,
  };

  /**
   * @param {Tools} browser
   * @param {Record<string, unknown>} saved what the store held when the worker started
   * @param {Store} store
   * @param {string} session
   * @param {Handlers} handlers
   */
  constructor(browser, saved, store, session, handlers) {
    this.#browser = browser;
    this.#store = store;
    this.#session = session;
    this.#handlers = handlers;
    this.#attempts = Number(saved[BACKOFF] ?? 0);
  }

  /** How the connection stands. */
  get connection() {
    return this.#connection;
  }

  /** Whether the host answers requests. It does so without a log, too. */
  get isReachable() {
    const hasAnswered = this.#greetedAt !== null || this.#connection.state === "log_unavailable";
    return this.#port !== null && hasAnswered;
  }

  /** Connects now, unless there is a connection. */
  connect() {
    if (this.#port !== null || this.#isConnecting) return;
    this.#browser.clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    this.#isConnecting = true;
    this.#browser
      .identity()
      .then((identity) => this.#open(identity))
      .catch((error) => this.#gone(String(error)))
      .finally(() => {
        this.#isConnecting = false;
      });
  }

  /** The alarm fired: connects when it is time to. */
  connectWhenDue() {
    const next = this.#connection.next_attempt_ms;
    if (next === null || this.#browser.now() >= next) this.connect();
  }

  /**
   * Sends something that is not answered.
   *
   * @param {object} message
   */
  post(message) {
    try {
      this.#port?.post(message);
    } catch (error) {
      // The port is closing; `onDisconnect` follows, and what was lost is sent again.
      report(error);
    }
  }

  /**
   * Asks the host.
   *
   * @param {{ type: string, [member: string]: unknown }} message
   * @returns {Promise<HostMessage>}
   */
  request(message) {
    if (!this.isReachable) {
      return Promise.reject(new HostError("no_host", "There is no connection to the host."));
    }
    const request = (this.#lastRequest += 1);
    return new Promise((resolve, reject) => {
      const timer = this.#browser.setTimeout(() => {
        this.#requests.delete(request);
        reject(new HostError("no_answer", "The host did not answer."));
      }, ANSWER_MS);
      this.#requests.set(request, { resolve, reject, timer });
      this.post({ ...message, request });
    });
  }

  /** @param {Identity} identity */
  #open(identity) {
    // A state that told of a problem stays until there is an answer: no flicker at each attempt.
    this.#change({ next_attempt_ms: null });
    const port = this.#browser.connectNative(HOST);
    this.#port = port;
    this.#greetedAt = null;
    this.#complaint = false;
    this.#burden = 0;
    port.onMessage((message) => {
      if (this.#port !== port) return;
      try {
        if (this.#isTooMuch(message)) this.#leave("The host sends more than it may.");
        else this.#receive(message);
      } catch (error) {
        // What the host says is not trusted to make sense. It is heard no less after that.
        report(error);
      }
    });
    port.onDisconnect((reason) => {
      if (this.#port === port) this.#gone(reason);
    });
    this.#helloTimer = this.#browser.setTimeout(() => {
      if (this.#port === port) this.#leave("The host did not answer.");
    }, HELLO_MS);
    this.post({
      type: "hello",
      protocol: PROTOCOL,
      ...identity,
      extension_session: this.#session,
      first_n: this.#handlers.firstN(),
      incognito: false,
    });
  }

  /** @param {HostMessage} message */
  #isTooMuch(message) {
    const elapsed = this.#browser.elapsed();
    if (elapsed - this.#burdenSince >= PATIENCE_MS) {
      this.#burdenSince = elapsed;
      this.#burden = 0;
    }
    this.#burden += BURDENS.get(message.type) ?? 1;
    return this.#burden > PATIENCE;
  }

  /**
   * Ends the connection from this side, which the browser does not tell of. Comes back later, as
   * with a host that left.
   *
   * @param {string} why
   */
  #leave(why) {
    report(why);
    this.#complaint = false;
    this.#port?.disconnect();
    this.#gone(why);
  }

  /** @param {HostMessage} message */
  #receive(message) {
    const waiting = this.#requests.get(message.request ?? 0);
    if (message.request !== undefined && waiting !== undefined) {
      this.#requests.delete(message.request);
      this.#browser.clearTimeout(waiting.timer);
      if (message.type === "error") waiting.reject(errorOf(message));
      else waiting.resolve(message);
    } else if (message.type === "hello") {
      this.#greeted(message);
    } else {
      if (message.type === "error") this.#complained(message);
      this.#handlers.onMessage(message);
    }
  }

  /** @param {HostMessage} hello */
  #greeted(hello) {
    try {
      this.#handlers.onHello(hello);
    } catch (error) {
      report(error);
      this.#leave("The host's greeting makes no sense.");
      return;
    }
    this.#browser.clearTimeout(this.#helloTimer);
    this.#greetedAt = this.#browser.elapsed();
    this.#complaint = false;
    this.#change({
      state: "connected",
      detail: null,
      fix: null,
      host_version: text(hello.host_version),
      next_attempt_ms: null,
    });
    // Should the worker be killed, this starts it again, even when nothing happens in the browser.
    this.#browser.setAlarm(ALARM, { periodInMinutes: 1 }).catch(report);
  }

  /** @param {HostMessage} error */
  #complained(error) {
    const state = COMPLAINTS.get(error.code);
    if (state === undefined) return;
    // It may take long until it can say hello.
    this.#browser.clearTimeout(this.#helloTimer);
    this.#complaint = true;
    this.#change({ state, detail: text(error.message), fix: text(error.fix) });
  }

  /** @param {string | null} reason */
  #gone(reason) {
    const now = this.#browser.now();
    this.#browser.clearTimeout(this.#helloTimer);
    this.#port = null;
    for (const { reject, timer } of this.#requests.values()) {
      this.#browser.clearTimeout(timer);
      reject(new HostError("no_host", "The connection to the host was lost."));
    }
    this.#requests.clear();
    const { elapsed } = this.#browser;
    if (this.#greetedAt !== null && elapsed() - this.#greetedAt >= GOOD_AFTER_MS) this.#attempts = 0;
    this.#greetedAt = null;
    const wait = this.#nextWait();
    this.#change({
      // What the host said before it left says more than that it left.
      ...(this.#complaint ? {} : { state: stateOf(reason), detail: reason, fix: null }),
      next_attempt_ms: now + wait,
    });
    this.#retryTimer = this.#browser.setTimeout(() => this.connect(), wait);
    const when = now + Math.max(wait, SHORTEST_ALARM_MS);
    this.#browser.setAlarm(ALARM, { when }).catch(report);
    this.#handlers.onGone();
  }

  /** Twice as long each time, and never for two browsers at the same moment. */
  #nextWait() {
    const wait = Math.min(FIRST_RETRY_MS * 2 ** this.#attempts, LONGEST_RETRY_MS);
    this.#attempts = Math.min(this.#attempts + 1, 20);
    this.#store.put(BACKOFF, this.#attempts);
    return Math.round(wait * (0.8 + 0.2 * this.#browser.random()));
  }

  /** @param {Partial<Connection>} changes */
  #change(changes) {
    this.#connection = { ...this.#connection, ...changes };
    this.#handlers.onChange(this.#connection);
  }
}

/**
 * What the browser's words mean, Chromium's and Firefox's. They are no interface, so all others mean
 * the same.
 *
 * @param {string | null} reason
 * @returns {ConnectionState}
 */
export function stateOf(reason) {
  if (/host not found|No such native application/.test(reason ?? "")) return "host_missing";
  if (reason?.includes("is forbidden")) return "forbidden";
  return "exited";
}

/** @param {HostMessage} message */
function errorOf(message) {
  return new HostError(text(message.code) ?? "unknown", text(message.message) ?? "unknown error", {
    fix: text(message.fix),
    field: text(message.field),
  });
}
