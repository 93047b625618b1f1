/**
 * From the host's words to plain ones: levels, reasons, guards, amounts and times.
 *
 * Pure, so that tests can read it. A word that is not known is shown as it is: an honest code is
 * better than a guess.
 *
 * @import {Connection, ConnectionState, Explanation, Health, HealthState, PrivacyStatus, RecentDecision, Refusal} from "../types"
 */

/** A pause with no end of its own: the last moment of the year 9999. */
export const FOREVER_MS = 253_402_300_799_000;

/** @type {Record<string, string>} */
const LEVELS = {
  LOW: "There is enough memory",
  MEDIUM: "Memory is getting short",
  HIGH: "Memory is short",
};

/** @type {Record<string, string>} */
const REASONS = {
  RAM_ELEVATED: "little memory is free",
  RAM_HIGH: "hardly any memory is free",
  CPU_ELEVATED: "the processor is busy",
  CPU_HIGH: "the processor is very busy",
  ON_BATTERY: "on battery",
  PSI_ELEVATED: "programs wait for memory",
  PSI_HIGH: "everything waits for memory",
  SWAPPING: "memory moves to disk",
  OS_MODERATE: "the system asks for memory",
  OS_CRITICAL: "the system urgently asks for memory",
  REQUESTED: "you asked for it",
  FOCUS_PROACTIVE: "focus mode tidies up ahead",
  GATE_ALWAYS: "the policy does so always",
};

/** What is done for these is done whatever the level is. */
const WHATEVER_THE_LEVEL = new Set(["REQUESTED", "FOCUS_PROACTIVE", "GATE_ALWAYS"]);

/** What adds to the pressure, which memory makes. */
const ADDED = new Set(["CPU_ELEVATED", "CPU_HIGH", "ON_BATTERY"]);

/** Why a tab was spared: the engine's guards, and what was found at the last moment. */
const GUARDS = /** @type {Record<string, string>} */ ({
  ACTIVE: "you were looking at it",
  PINNED: "it is pinned",
  AUDIBLE: "it makes a sound",
  RECENTLY_AUDIBLE: "it made a sound a moment ago",
  CAPTURING: "it uses camera, microphone or screen",
  UNSAVED: "it holds a half-filled-in form",
  NOT_AUTO_DISCARDABLE: "you or another extension has forbidden it",
  PROTECTED: "its site is protected",
  INTERNAL: "it is a page of the browser",
  LOADING: "it was loading",
  DISCARDED: "it was asleep already",
  YOUNG: "it was opened or in front a moment ago",
  CHANGED: "it shows something else now",
  GONE: "it was closed",
  PAUSED: "it was paused just then",
  OBSERVING: "putting to sleep was switched off just then",
  EXPIRED: "its turn came too late",
  DECIDED_AGAIN: "it was decided on once more",
  SLEPT: "the computer went to sleep just then",
  LOG_UNAVAILABLE: "the log could not be written",
  HOST_STOPPED: "the host was stopped just then",
  PRIVATE: "it is private",
  NOT_DISCARDED: "the browser did not do it",
  NOT_STORED: "it could not be noted down first",
  WORKER_STOPPED: "the extension was stopped just then",
  // What the log says where the browser's own words might have named a page.
  error: "the browser refused",
});

/** What holds now, where that is said in other words. @type {Record<string, string>} */
const HOLDING = { ...GUARDS, ACTIVE: "it is in front of its window", LOADING: "it is loading" };

/** Why a tab is awake whose time is over. @type {Record<string, string>} */
const GATES = {
  open: "Others were unused for longer.",
  paused: "It is paused.",
  level_too_low: "Memory is not short enough.",
  cooling_down: "Another went to sleep a moment ago.",
};

/** What comes of a tab, where that is all there is to say. @type {Record<string, string>} */
const VERDICTS = {
  discard: "It is the next.",
  noted: "It would have gone to sleep. Only observing keeps it awake.",
  decided: "It is about to go to sleep.",
  refused: "It was left awake at the last moment, and is passed over for a while.",
};

/** @type {Record<ConnectionState, string>} */
const STATES = {
  connecting: "Connecting to the host…",
  connected: "Connected",
  silent: "The host does not answer",
  host_missing: "The host is not installed",
  forbidden: "The host does not know this extension",
  protocol_mismatch: "Host and extension do not fit together",
  exited: "The host has stopped",
  log_unavailable: "The host cannot write its log",
};

/** @type {Record<ConnectionState, string>} */
const STATE_TEXTS = {
  connecting: "",
  connected: "",
  silent: "It runs, and is busy or hangs. What happens meanwhile is kept.",
  host_missing:
    "The host is the small program on this computer that measures memory and decides. Without it nothing is put to sleep.",
  forbidden: "It was installed for another extension. Nothing is put to sleep until that is set right.",
  protocol_mismatch: "One of the two is older than the other. Nothing is put to sleep until it is updated.",
  exited: "It is started again by itself. What happens meanwhile is kept.",
  log_unavailable: "It decides nothing that it cannot write down. What happens meanwhile is kept.",
};

/** @type {Record<HealthState, string>} */
const HEALTH = {
  HEALTHY: "All is well",
  DEGRADED: "It works, but not as it should",
  UNHEALTHY: "It does not work",
  SKIPPED: "Not looked at",
};

/** @type {Record<string, string>} */
const CHECKS = {
  "log.writing": "The log",
  "metrics.fresh": "Measuring",
  "protocol.agreed": "Host and extension",
  "policy.loaded": "The policy file",
  "disk.free": "Room on the disk",
};

/** @param {HealthState} state */
export function healthText(state) {
  return wordFor(HEALTH, state);
}

/**
 * What the host's checks found that is not as it should be: a heading, what was found, what to do.
 *
 * @param {Health} health
 * @returns {{ name: string, state: HealthState, detail: string, fix: string }[]}
 */
export function healthTroubles({ checks }) {
  return checks
    .filter(({ state }) => state !== "HEALTHY" && state !== "SKIPPED")
    .map(({ id, about, state, detail, fix }) => ({
      name: Object.hasOwn(CHECKS, id) ? wordFor(CHECKS, id) : about,
      state,
      detail: sentence(detail),
      fix: sentence(fix),
    }));
}

/** @param {string | null} level */
export function levelText(level) {
  return level === null ? "Measuring…" : wordFor(LEVELS, level);
}

/** @param {string} reason */
export function reasonText(reason) {
  return wordFor(REASONS, reason);
}

/**
 * Reasons, with what brought things about before what merely added to it.
 *
 * @param {string[]} reasons
 */
export function reasonTexts(reasons) {
  return [...reasons].sort((a, b) => rank(a) - rank(b)).map(reasonText);
}

/** @param {string} reason */
function rank(reason) {
  if (WHATEVER_THE_LEVEL.has(reason)) return 0;
  return ADDED.has(reason) ? 2 : 1;
}

/** @param {string} guard */
export function guardText(guard) {
  return wordFor(GUARDS, guard);
}

/** @param {ConnectionState} state */
export function stateText(state) {
  return STATES[state] ?? state;
}

/**
 * What a state means and what the host or the browser said of it.
 *
 * @param {Connection} connection
 */
export function troubleText({ state, detail, fix }) {
  const said = state === "host_missing" ? "" : (detail ?? "");
  return [STATE_TEXTS[state] ?? "", said, fix ?? ""].filter(Boolean).map(sentence).join(" ");
}

/**
 * What was refused and what to do about it. It may begin with the name of a setting or a file, which
 * stays as it is.
 *
 * @param {Refusal} refusal
 */
export function refusalText({ message, fix }) {
  return fix ? `${ended(message)} ${sentence(fix)}` : message;
}

/** @param {ConnectionState} state */
export function isTrouble(state) {
  return state !== "connected" && state !== "connecting";
}

/**
 * An amount of memory, in the units that system monitors show.
 *
 * @param {number} bytes
 */
export function bytesText(bytes) {
  const gigabytes = bytes / 1024 ** 3;
  if (gigabytes >= 1) return `${gigabytes.toFixed(1)} GB`;
  return `${Math.round(bytes / 1024 ** 2)} MB`;
}

/**
 * A length of time, rounded to what matters.
 *
 * @param {number} ms
 */
export function durationText(ms) {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  const rest = minutes % 60;
  if (hours < 48) return rest === 0 ? `${hours} h` : `${hours} h ${rest} min`;
  return `${Math.round(hours / 24)} days`;
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function countText(count, one, many = `${one}s`) {
  return `${numberText(count)} ${count === 1 ? one : many}`;
}

/** @param {number} number a whole one */
export function numberText(number) {
  return number.toLocaleString("en");
}

/**
 * Why a tab was chosen, in one sentence.
 *
 * @param {RecentDecision} decision
 */
export function whyText({ reasons, level, idle_ms, ttl_ms, in_focus, familiarity }) {
  const causes = reasonTexts(reasons);
  // Memory is short of which no reason tells: its share of the score alone is large enough.
  if (reasons.every((reason) => ADDED.has(reason))) causes.unshift(levelText(level));
  // Who asks for it gets it whatever the limit is.
  const limit = reasons.includes("REQUESTED") ? null : ttl_ms;
  return [
    sentence(causes.join(", ")),
    ...useTexts({ idle_ms, ttl_ms: limit, in_focus, familiarity }),
  ].join(" ");
}

/**
 * Why a tab is awake.
 *
 * @param {Explanation} explanation
 */
export function awakeText({ verdict, guards, gate, ...use }) {
  switch (verdict) {
    case "guarded":
      return sentence(guards.map((guard) => wordFor(HOLDING, guard)).join(", "));
    case "keep":
      return useTexts(use).join(" ");
    case "wait":
      return [wordFor(GATES, gate), ...useTexts(use)].join(" ");
    default:
      return wordFor(VERDICTS, verdict);
  }
}

/**
 * How long a tab was not used, and what keeps it longer.
 *
 * @param {{ idle_ms: number, ttl_ms: number | null, in_focus: boolean, familiarity: number }} use
 */
function useTexts({ idle_ms, ttl_ms, in_focus, familiarity }) {
  const limit = ttl_ms === null ? "" : `, the limit is ${durationText(ttl_ms)}`;
  const sentences = [`Not used for ${durationText(idle_ms)}${limit}.`];
  if (in_focus) sentences.push("Part of what you work on.");
  if (familiarity > 1) sentences.push("A site you often return to.");
  return sentences;
}

/**
 * What became of a decision.
 *
 * @param {RecentDecision} decision
 * @param {number} now
 */
export function outcomeText({ mode, outcome, why, t_ms, bytes, reasons }, now) {
  const length = durationText(Math.max(0, now - t_ms));
  const ago = `${length} ago`;
  const freed = bytes === null ? "" : `, freed ${bytesText(bytes)}`;
  switch (outcome) {
    case "discarded":
      return `Asleep for ${length}${freed}`;
    case "returned":
      return `Came back; was put to sleep ${ago}`;
    case "closed":
      return `Closed; was put to sleep ${ago}`;
    case "refused":
      return `Left awake ${ago}: ${guardText(why ?? "NOT_DISCARDED")}`;
    default:
      return mode === "observe" && !reasons.includes("REQUESTED")
        ? `Would have gone to sleep ${ago}`
        : `Decided ${ago}`;
  }
}

/**
 * What observing has shown so far.
 *
 * @param {{ decisions: number, bytes_expected: number | null, since_ms: number | null } | null} observed
 * @param {(ms: number) => string} timeText
 */
export function observedText(observed, timeText) {
  const since = observed?.since_ms ? ` since ${timeText(observed.since_ms)}` : "";
  if (observed === null || observed.decisions === 0) {
    return `By itself it puts nothing to sleep, and saw no need to${since}.`;
  }
  const bytes = observed.bytes_expected ? `, about ${bytesText(observed.bytes_expected)}` : "";
  const tabs = countText(observed.decisions, "tab");
  return `It would have put ${tabs} to sleep${since}${bytes}. Let it, when you agree with the list below.`;
}

/**
 * What is asked before tabs are put to sleep though it only observes. Without the access to pages
 * nothing tells of a form: neither the browser nor its last-moment answer.
 *
 * @param {boolean} formsSeen
 */
export function onceText(formsSeen) {
  const question = "Put tabs to sleep now, though it only observes?";
  const risk = "Half-filled-in forms are not seen: what you typed in a page may be lost.";
  return formsSeen ? question : `${question} ${risk}`;
}

/**
 * @param {Record<string, string>} words
 * @param {string} code
 */
function wordFor(words, code) {
  // Its own words only: a host that says "constructor" means no function.
  return (Object.hasOwn(words, code) ? words[code] : undefined) ?? code;
}

/** @param {string} text */
function sentence(text) {
  return capitalised(ended(text));
}

/** @param {string} text */
function ended(text) {
  return text === "" || /[.!?]$/.test(text) ? text : `${text}.`;
}

/**
 * What was removed of old logs.
 *
 * @param {PrivacyStatus["removed"]} removed
 * @param {(ms: number) => string} timeText
 */
export function removedText(removed, timeText) {
  if (removed === null) return "";
  const logs = countText(removed.traces, "log");
  return `Removed for age or size at ${timeText(removed.at_ms)}: ${logs}, ${bytesText(removed.bytes)}.`;
}

/** @param {string} sentence */
function capitalised(sentence) {
  // The name of a setting or a file stays as it is.
  if (/^\w+[._/]\w/.test(sentence)) return sentence;
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}
