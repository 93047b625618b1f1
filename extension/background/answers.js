/**
 * What the host says, as far as it makes sense.
 *
 * The host may be an old one, a broken one, or another program in its place. An order or a number
 * that is none throws; of a status, what makes no sense counts as not known. Texts are cut to what
 * fits on a screen. Nothing here looks at the browser.
 *
 * @import {
 *   DiscardOrder, Explanation, Health, HostMessage, Privacy, PrivacyStatus, RecentDecision, Status,
 * } from "../types"
 */

/** The longest text of the host that is kept or shown. */
const TEXT_LENGTH = 500;

/** `native-host/PROTOCOL.md` has 20. */
const RECENT_DECISIONS = 20;
const REASONS = 20;

/** `native-host/HEALTH.md` has fewer, and older extensions may meet newer hosts. */
const HEALTH_CHECKS = 40;

/** Far above any log, and far below where counting up is no longer exact. */
const LARGEST_N = 2 ** 52;

/**
 * A text for people, or null where it is none.
 *
 * @param {unknown} value
 */
export function text(value) {
  return typeof value === "string" ? value.slice(0, TEXT_LENGTH) : null;
}

/**
 * A number of an event.
 *
 * @param {unknown} value
 */
export function whole(value) {
  if (isWhole(value) && value <= LARGEST_N) return value;
  throw new Error(`the host sent ${shown(value)} for the number of an event`);
}

/**
 * An order to discard a tab.
 *
 * @param {HostMessage} message
 * @param {string | null} log
 * @returns {DiscardOrder}
 */
export function orderFrom({ decision, tab, host }, log) {
  if (!isWhole(decision) || !isWhole(tab)) {
    throw new Error(`not an order: decision ${shown(decision)}, tab ${shown(tab)}`);
  }
  return { type: "discard_tab", log, decision, tab, host: typeof host === "string" ? host : null };
}

/**
 * How things stand. Members that are not known here are passed on as they are.
 *
 * @param {HostMessage} answer
 * @returns {Status}
 */
export function statusFrom(answer) {
  if (answer.type !== "status") throw new Error(`found ${shown(answer.type)} for a status`);
  const { metrics, cluster, observed, focus, log } = answer;
  return /** @type {any} */ ({
    ...answer,
    mode: answer.mode === "enforce" ? "enforce" : "observe",
    paused_until_ms: number(answer.paused_until_ms),
    score: number(answer.score),
    level: text(answer.level),
    reasons: texts(answer.reasons),
    metrics: members(metrics, number),
    tabs: number(answer.tabs),
    discarded: number(answer.discarded),
    cluster: isRecord(cluster) && Array.isArray(cluster.tabs) ? cluster : null,
    cooldown_ms: number(answer.cooldown_ms),
    log: isRecord(log)
      ? { ...log, state: log.state === "writing" ? "writing" : "failed", error: text(log.error) }
      : { state: "failed", error: null },
    observed: isRecord(observed)
      ? {
          decisions: number(observed.decisions) ?? 0,
          bytes_expected: number(observed.bytes_expected),
          since_ms: number(observed.since_ms),
        }
      : null,
    health: healthFrom(answer.health),
    recent: recentFrom(answer.recent),
    focus: isRecord(focus)
      ? { enabled: focus.enabled === true, proactive: focus.proactive === true }
      : null,
    privacy: privacyFrom(answer.privacy),
  });
}

/**
 * What happens to a tab and why; null for one that the host does not know.
 *
 * @param {HostMessage} answer
 * @returns {Explanation | null}
 */
export function explanationFrom({ explanation: it }) {
  if (!isRecord(it)) return null;
  return {
    verdict: text(it.verdict) ?? "",
    guards: texts(it.guards),
    not_observable: texts(it.not_observable),
    idle_ms: number(it.idle_ms) ?? 0,
    ttl_ms: number(it.ttl_ms) ?? 0,
    in_focus: typeof it.in_focus === "string",
    familiarity: number(it.familiarity) ?? 1,
    gate: (isRecord(it.gate) ? text(it.gate.state) : null) ?? "",
  };
}

/**
 * @param {unknown} value
 * @returns {Health | null}
 */
function healthFrom(value) {
  if (!isRecord(value) || !Array.isArray(value.checks)) return null;
  const checks = value.checks.slice(0, HEALTH_CHECKS).filter(isRecord);
  return /** @type {any} */ ({
    state: text(value.state) ?? "",
    checks: checks.map((check) => ({
      id: text(check.id) ?? "",
      about: text(check.about) ?? "",
      state: text(check.state) ?? "",
      detail: text(check.detail) ?? "",
      fix: text(check.fix) ?? "",
    })),
  });
}

/**
 * @param {unknown} value
 * @returns {PrivacyStatus | null}
 */
function privacyFrom(value) {
  if (!isRecord(value)) return null;
  const { privacy, keep_days, keep_mib, removed } = value;
  if (!isPrivacy(privacy) || !isWhole(keep_days) || !isWhole(keep_mib)) return null;
  return {
    privacy,
    keep_days,
    keep_mib,
    removed: isRecord(removed)
      ? {
          traces: number(removed.traces) ?? 0,
          bytes: number(removed.bytes) ?? 0,
          at_ms: number(removed.at_ms) ?? 0,
        }
      : null,
  };
}

/**
 * @param {unknown} value
 * @returns {value is Privacy}
 */
function isPrivacy(value) {
  return typeof value === "string" && ["hostname", "site", "keyed-hash"].includes(value);
}

/**
 * @param {unknown} value
 * @returns {RecentDecision[]}
 */
function recentFrom(value) {
  if (!Array.isArray(value)) return [];
  const recent = value.slice(0, RECENT_DECISIONS);
  return recent.flatMap((it) => {
    if (!isRecord(it) || !isWhole(it.decision) || !isWhole(it.tab)) return [];
    return /** @type {any} */ ({
      decision: it.decision,
      tab: it.tab,
      host: text(it.host),
      t_ms: number(it.t_ms) ?? 0,
      mode: it.mode === "enforce" ? "enforce" : "observe",
      outcome: text(it.outcome),
      why: text(it.why),
      reasons: texts(it.reasons),
      level: text(it.level) ?? "",
      score: number(it.score) ?? 0,
      idle_ms: number(it.idle_ms) ?? 0,
      ttl_ms: number(it.ttl_ms) ?? 0,
      in_focus: it.in_focus === true,
      familiarity: number(it.familiarity) ?? 1,
      bytes: number(it.bytes),
    });
  });
}

/**
 * @template T
 * @param {unknown} value
 * @param {(member: unknown) => T} read
 * @returns {Record<string, T> | null}
 */
function members(value, read) {
  if (!isRecord(value)) return null;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      typeof member === "boolean" ? /** @type {any} */ (member) : read(member),
    ]),
  );
}

/** @param {unknown} value */
function texts(value) {
  if (!Array.isArray(value)) return [];
  return value.slice(0, REASONS).flatMap((it) => text(it) ?? []);
}

/** @param {unknown} value */
function number(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/**
 * @param {unknown} value
 * @returns {value is number}
 */
function isWhole(value) {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
function isRecord(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * A value for an error: short, and of a deep one no more than its kind.
 *
 * @param {unknown} value
 */
function shown(value) {
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "an object";
  return String(JSON.stringify(value)).slice(0, 40);
}
