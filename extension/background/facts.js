/**
 * What the log may know of a tab: this is where paths, queries, titles and private windows stay
 * outside.
 *
 * @import {Tab, TabFacts} from "../types"
 */

/** @typedef {{ host: string | null, scheme: string }} Page */

/**
 * What a tab shows, as far as the log may know. Undefined where the browser does not say, as for
 * a tab whose first load has not begun.
 *
 * @param {string | undefined} url
 * @returns {Page | undefined}
 */
export function pageOf(url) {
  if (!url) return undefined;
  let parsed;
  try {
    parsed = new URL(url);
  } catch {
    return undefined;
  }
  const scheme = parsed.protocol.slice(0, -1);
  // The parser gives lower case and punycode, and leaves out user and port. What it calls the
  // hostname of chrome://settings is no host, and one of file: is somebody's server.
  const isWeb = scheme === "http" || scheme === "https";
  return { host: isWeb ? parsed.hostname : null, scheme };
}

/**
 * Whether a tab is one that the log must never hear of, or none at all (developer tools have an
 * id of −1).
 *
 * @param {Tab} tab
 */
export function isOutside(tab) {
  return tab.incognito || tab.id === undefined || tab.id < 0;
}

/** Whether a tab has no page in memory: discarded, or not loaded since the browser restored it.
 *
 * @param {Tab} tab
 */
export function isDiscarded(tab) {
  return tab.discarded || tab.status === "unloaded";
}

/**
 * @param {Tab} tab
 * @param {{ unsaved?: boolean, inSight?: boolean }} known whether a form in it was touched, and whether
 * it is in sight beside another tab, where that is known
 * @returns {TabFacts}
 */
export function tabFacts(tab, { unsaved, inSight }) {
  const discarded = isDiscarded(tab);
  return {
    tab: /** @type {number} */ (tab.id),
    win: tab.windowId,
    // A tab that was just opened has its address in `pendingUrl` alone.
    ...pageOf(tab.url || tab.pendingUrl),
    active: tab.active,
    pinned: tab.pinned,
    audible: tab.audible,
    muted: tab.mutedInfo?.muted,
    discarded,
    loading: tab.status === "loading" && !discarded,
    frozen: tab.frozen,
    auto_discardable: tab.autoDiscardable,
    group: tab.groupId,
    unsaved,
    in_sight: inSight,
    last_accessed: tab.lastAccessed === undefined ? undefined : Math.round(tab.lastAccessed),
  };
}
