/**
 * From the browser's events to the log's.
 *
 * It knows of each tab what the events so far have said, keeps that in the store, and never asks
 * the browser. A tab that it was not told of as public (not in a private window) does not exist
 * for it: events that carry no more than an id are passed on only for tabs and windows it knows.
 *
 * What Chromium 156 was seen to send, and what it means:
 *
 * - A load is `{status:"loading"}`, told when the page is committed, and `{status:"complete"}`.
 *   The first of them has `url` where the address is another one. `history.pushState` and a change
 *   of the fragment look the same.
 * - A discard is `onReplaced` and, under the new id, `{discarded:true}`.
 * - A discarded tab that comes back is `{discarded:false}`, then a load under the same id. One that
 *   a debugger is attached to was loaded meanwhile, and comes back by `{discarded:false,
 *   status:"complete"}` alone.
 * - A tab that the browser restored at its start and has not loaded has the status "unloaded" and
 *   is not "discarded"; it comes back by a load alone.
 * - A split view that is made or ended is `{splitViewId}` of both halves, as they are after it; a half
 *   that is closed or leaves its window ends it first. Which half is in front, and whether they are in
 *   sight, is told by `onActivated` alone. (Firefox 153 tells the same, but closes a half first, and
 *   moves both to another window without a word of their split view.)
 *
 * @import {Emit, Identity, Tab, TabChange, TabChanges, TabFacts, UserState} from "../types"
 * @import {Store} from "./store.js"
 * @import {Intents} from "./intents.js"
 */

import { isDiscarded, isOutside, pageOf, tabFacts } from "./facts.js";

/**
 * @typedef {object} Known what is known of a tab
 * @property {string | null} [host]
 * @property {string} [scheme]
 * @property {boolean} discarded
 * @property {Load | null} load
 * @property {boolean} [unsaved] whether a form was touched; absent where forms are not seen
 * @property {Split} [split] the split view that it is half of
 * @property {boolean} [inSight] whether it is in sight beside another; absent where it never was
 *
 * @typedef {object} Split
 * @property {number} id
 * @property {number} win the window that it is in
 *
 * @typedef {object} Load a load that has not ended
 * @property {number | null} since when it began; null where that was not seen
 * @property {boolean} committed whether the browser has told of its page yet
 * @property {boolean} restores whether it brings a discarded page back
 */

const TAB = "tab:";
const WINDOWS = "windows";

/**
 * A line of the log holds 1 MiB. Tabs that do not fit into the snapshot are told as opened after
 * it: the log then knows when they were last in front from `last_accessed` alone.
 */
const SNAPSHOT_BYTES = 900_000;

/**
 * What the host adds to a tab at most: whether it is protected, and a made-up name of 40 bytes in
 * the place of a short one.
 */
const ADDED_BYTES = 64;

export class Tracker {
  /** @type {Map<number, Known>} */
  #tabs = new Map();
  /** @type {Set<number>} */
  #windows = new Set();
  /** Tabs that the last snapshot no longer had. What was heard till then of them is their past. */
  #past = { until: -Infinity, tabs: /** @type {Set<number>} */ (new Set()) };
  /** @type {Emit} */
  #emit;
  /** @type {Store} */
  #store;
  /** @type {Intents} */
  #intents;

  /**
   * @param {Record<string, unknown>} saved what the store held when the worker started
   * @param {Store} store
   * @param {Intents} intents
   * @param {Emit} emit
   */
  constructor(saved, store, intents, emit) {
    this.#store = store;
    this.#intents = intents;
    this.#emit = emit;
    for (const [key, value] of Object.entries(saved)) {
      if (key.startsWith(TAB)) {
        this.#tabs.set(Number(key.slice(TAB.length)), /** @type {Known} */ (value));
      }
    }
    this.#windows = new Set(/** @type {number[] | undefined} */ (saved[WINDOWS]) ?? []);
  }

  /**
   * Tells of everything open. What was known and is not there is forgotten.
   *
   * @param {number} at when the browser was asked
   * @param {chrome.windows.Window[]} windows with their tabs
   * @param {UserState | null} idle
   * @param {Identity} identity
   * @param {number} [answered] when the browser had answered
   */
  snapshot(at, windows, idle, identity, answered = at) {
    const open = windows.filter((win) => !win.incognito && win.id !== undefined);
    const tabs = open.flatMap((win) => win.tabs ?? []).filter((tab) => !isOutside(tab));
    const active = tabs.filter((tab) => tab.active);
    const inFront = new Map(active.map((tab) => [tab.windowId, splitOf(tab)]));
    const before = this.#tabs;
    this.#tabs = new Map();
    for (const tab of tabs) {
      const id = /** @type {number} */ (tab.id);
      this.#know(id, knownFrom(tab, before.get(id), inFront.get(tab.windowId)));
    }
    const past = [...before.keys()].filter((id) => !this.#tabs.has(id));
    this.#past = { until: answered, tabs: new Set(past) };
    for (const id of past) this.#store.drop(TAB + id);
    this.#windows = new Set(open.map((win) => /** @type {number} */ (win.id)));
    this.#keepWindows();

    const facts = tabs.map((tab) => {
      const known = this.#tabs.get(/** @type {number} */ (tab.id));
      return tabFacts(tab, /** @type {Known} */ (known));
    });
    const started = {
      type: /** @type {const} */ ("session_started"),
      ...identity,
      idle,
      windows: open.map((win) => ({
        win: /** @type {number} */ (win.id),
        focused: win.focused,
      })),
    };
    const room = SNAPSHOT_BYTES - JSON.stringify(started).length;
    const [told, left] = splitBySize(facts, room);
    this.#emit(at, { ...started, tabs: told });
    for (const tab of left) this.#emit(at, { type: "tab_opened", ...tab });
  }

  /**
   * @param {number} at
   * @param {Tab} tab
   */
  tabCreated(at, tab) {
    // A snapshot may have told of it already.
    if (isOutside(tab) || this.#tabs.has(/** @type {number} */ (tab.id))) return;
    const id = /** @type {number} */ (tab.id);
    const inFront = tab.active ? splitOf(tab) : this.#splitInFront(tab.windowId);
    const known = knownFrom(tab, undefined, inFront);
    if (known.load !== null) known.load = { since: at, committed: false, restores: false };
    this.#know(id, known);
    const opener = tab.openerTabId;
    this.#emit(at, {
      type: "tab_opened",
      ...tabFacts(tab, known),
      ...(opener !== undefined && this.#tabs.has(opener) ? { opener } : {}),
    });
  }

  /**
   * @param {number} at
   * @param {number} id
   * @param {TabChange} change
   * @param {Tab} tab
   */
  tabUpdated(at, id, change, tab) {
    // Discarding a tab that opted out sends an event for tab −1 first.
    if (id < 0 || isOutside(tab)) return;
    const known = this.#tabs.get(id);
    if (known === undefined) {
      // Its opening was missed, while the extension was updated for instance.
      if (at > this.#past.until || !this.#past.tabs.has(id)) this.tabCreated(at, tab);
      return;
    }
    if (change.splitViewId !== undefined) this.#rearranged(at, id, known, tab);
    if (!known.discarded && isDiscard(change)) this.#discarded(at, id, known);
    else if (known.discarded && !tab.discarded && isReturn(change)) this.#restored(at, id, known);
    // What a discarded tab says of its status is about an empty page.
    if (!known.discarded) {
      if (change.status === "complete") this.#loaded(at, id, known);
      // The event that brings it back may say "loading" before its page is known.
      else if (change.discarded !== undefined) return;
      else if (change.status === "loading") this.#loads(at, id, known, tab);
      else if (change.url !== undefined) this.#readdressed(at, id, known, tab);
    }
    const changes = changesOf(change);
    if (Object.keys(changes).length > 0) {
      this.#emit(at, { type: "tab_changed", tab: id, ...changes });
    }
  }

  /**
   * @param {number} at
   * @param {number} id
   * @param {number} win
   */
  tabActivated(at, id, win) {
    const inFront = this.#tabs.get(id)?.split;
    // A half must not be out of both, the front and sight, in between.
    this.#see(at, win, inFront, true);
    if (this.#tabs.has(id)) this.#emit(at, { type: "tab_activated", tab: id, win });
    this.#see(at, win, inFront, false);
  }

  /**
   * @param {number} at
   * @param {number} id
   * @param {number} win the window it is in now
   */
  tabAttached(at, id, win) {
    const known = this.#tabs.get(id);
    if (known === undefined) return;
    this.#emit(at, { type: "tab_moved", tab: id, win });
    if (known.split === undefined) return;
    const inFront = this.#splitInFront(win);
    known.split = { ...known.split, win };
    this.#know(id, known);
    this.#see(at, win, inFront, false);
  }

  /**
   * @param {number} at
   * @param {number} id the new id
   * @param {number} old the id it had
   */
  tabReplaced(at, id, old) {
    const known = this.#tabs.get(old);
    if (known === undefined) return;
    this.#forget(old);
    this.#know(id, known);
    this.#intents.renamed(old, id);
    this.#emit(at, { type: "tab_replaced", tab: id, old });
  }

  /**
   * @param {number} at
   * @param {number} id
   */
  tabRemoved(at, id) {
    if (!this.#tabs.has(id)) return;
    this.#forget(id);
    this.#emit(at, { type: "tab_closed", tab: id });
  }

  /**
   * @param {number} at
   * @param {chrome.windows.Window} win
   */
  windowCreated(at, win) {
    if (win.incognito || win.id === undefined || this.#windows.has(win.id)) return;
    this.#windows.add(win.id);
    this.#keepWindows();
    this.#emit(at, { type: "window_opened", win: win.id });
  }

  /**
   * @param {number} at
   * @param {number} id
   */
  windowRemoved(at, id) {
    if (!this.#windows.delete(id)) return;
    this.#keepWindows();
    this.#emit(at, { type: "window_closed", win: id });
  }

  /**
   * @param {number} at
   * @param {number | null} id null when another program has the focus
   */
  windowFocused(at, id) {
    // A window that may not be known of counts as another program.
    const win = id !== null && this.#windows.has(id) ? id : null;
    this.#emit(at, { type: "window_focused", win });
  }

  /**
   * @param {number} at
   * @param {UserState} state
   */
  idleChanged(at, state) {
    this.#emit(at, { type: "user_idle", state });
  }

  /**
   * The content script has told, or was asked, whether a form is touched.
   *
   * @param {number} at
   * @param {number} id
   * @param {boolean} touched
   */
  formTold(at, id, touched) {
    const known = this.#tabs.get(id);
    if (known === undefined || known.unsaved === touched) return;
    known.unsaved = touched;
    this.#know(id, known);
    this.#emit(at, { type: "tab_changed", tab: id, unsaved: touched });
  }

  /**
   * The host of a tab's page, as it was told last; null where none is known.
   *
   * @param {number} id
   */
  host(id) {
    return this.#tabs.get(id)?.host ?? null;
  }

  /**
   * Whether a form in the tab is known to be touched. Undefined where that cannot be seen.
   *
   * @param {number} id
   */
  unsaved(id) {
    return this.#tabs.get(id)?.unsaved;
  }

  /** The tabs in which a form is known to be touched. */
  unsavedTabs() {
    return [...this.#tabs].filter(([, known]) => known.unsaved === true).map(([id]) => id);
  }

  /**
   * A tab became half of a split view, or is no longer.
   *
   * @param {number} at
   * @param {number} id
   * @param {Known} known
   * @param {Tab} tab
   */
  #rearranged(at, id, known, tab) {
    const split = splitOf(tab);
    const inFront = tab.active ? split : this.#splitInFront(tab.windowId);
    if (split === undefined) {
      delete known.split;
      if (known.inSight === true) this.#tellSight(at, id, known, false);
    } else {
      known.split = split;
    }
    this.#know(id, known);
    this.#see(at, tab.windowId, inFront, true);
    this.#see(at, tab.windowId, inFront, false);
  }

  /**
   * The split view in front of a window, as far as its halves were told.
   *
   * @param {number} win
   */
  #splitInFront(win) {
    const known = [...this.#tabs.values()].find(
      ({ split, inSight }) => split?.win === win && inSight === true,
    );
    return known?.split;
  }

  /**
   * Tells which halves of a window's split views come into sight, or which leave it, when this split
   * view, or none, is in front.
   *
   * @param {number} at
   * @param {number} win
   * @param {Split | undefined} inFront
   * @param {boolean} isComing
   */
  #see(at, win, inFront, isComing) {
    for (const [id, known] of this.#tabs) {
      const { split, inSight = false } = known;
      if (split?.win !== win || inSight === isComing) continue;
      if ((split.id === inFront?.id) === isComing) this.#tellSight(at, id, known, isComing);
    }
  }

  /**
   * @param {number} at
   * @param {number} id
   * @param {Known} known
   * @param {boolean} inSight
   */
  #tellSight(at, id, known, inSight) {
    known.inSight = inSight;
    this.#know(id, known);
    this.#emit(at, { type: "tab_changed", tab: id, in_sight: inSight });
  }

  /**
   * @param {number} at
   * @param {number} id
   * @param {Known} known
   */
  #discarded(at, id, known) {
    known.discarded = true;
    known.load = null;
    this.#know(id, known);
    const by = this.#intents.claim(id) ? "orchestrator" : "other";
    this.#emit(at, { type: "tab_discarded", tab: id, by });
    // What was in its forms is gone with its page.
    if (known.unsaved === true) this.formTold(at, id, false);
  }

  /**
   * @param {number} at
   * @param {number} id
   * @param {Known} known
   */
  #restored(at, id, known) {
    known.discarded = false;
    known.load = { since: at, committed: false, restores: true };
    this.#know(id, known);
    this.#emit(at, { type: "tab_restored", tab: id });
  }

  /**
   * @param {number} at
   * @param {number} id
   * @param {Known} known
   * @param {Tab} tab
   */
  #loads(at, id, known, tab) {
    const page = pageOf(tab.url);
    const isSame = page?.host === known.host && page?.scheme === known.scheme;
    const begun = known.load !== null && !known.load.committed ? known.load : null;
    known.load = { since: begun?.since ?? at, committed: true, restores: false };
    Object.assign(known, page);
    this.#know(id, known);
    // A page that comes back was told as restored. If it comes back as another one, both happened.
    if (begun?.restores && isSame) return;
    this.#emit(at, { type: "tab_navigated", tab: id, ...page });
  }

  /**
   * @param {number} at
   * @param {number} id
   * @param {Known} known
   */
  #loaded(at, id, known) {
    if (known.load === null) return;
    const { since } = known.load;
    known.load = null;
    this.#know(id, known);
    const ms = since === null ? {} : { ms: Math.max(0, at - since) };
    this.#emit(at, { type: "tab_loaded", tab: id, ...ms });
  }

  /**
   * An address changed and nothing loads. Within a site that is not told: the log holds no paths.
   *
   * @param {number} at
   * @param {number} id
   * @param {Known} known
   * @param {Tab} tab
   */
  #readdressed(at, id, known, tab) {
    const page = pageOf(tab.url);
    if (page === undefined || (page.host === known.host && page.scheme === known.scheme)) return;
    this.#loads(at, id, known, tab);
    if (tab.status !== "loading") this.#loaded(at, id, known);
  }

  /**
   * @param {number} id
   * @param {Known} known
   */
  #know(id, known) {
    this.#tabs.set(id, known);
    this.#store.put(TAB + id, known);
  }

  /** @param {number} id */
  #forget(id) {
    this.#tabs.delete(id);
    this.#store.drop(TAB + id);
  }

  #keepWindows() {
    this.#store.put(WINDOWS, [...this.#windows]);
  }
}

/**
 * @param {Tab} tab
 * @param {Known | undefined} before
 * @param {Split | undefined} inFront the split view in front of its window
 * @returns {Known}
 */
function knownFrom(tab, before, inFront) {
  const discarded = isDiscarded(tab);
  const isLoading = tab.status === "loading" && !discarded;
  /** @type {Known} */
  const known = {
    ...pageOf(tab.url || tab.pendingUrl),
    discarded,
    load: isLoading ? (before?.load ?? { since: null, committed: true, restores: false }) : null,
  };
  // A page that is gone took its forms with it.
  if (before?.unsaved !== undefined) known.unsaved = before.unsaved && !discarded;
  const split = splitOf(tab);
  if (split !== undefined) known.split = split;
  const inSight = split !== undefined && split.id === inFront?.id;
  if (inSight || before?.inSight !== undefined) known.inSight = inSight;
  return known;
}

/**
 * The split view that a tab is half of.
 *
 * @param {Tab} tab
 * @returns {Split | undefined}
 */
function splitOf({ splitViewId: id = -1, windowId: win }) {
  return id === -1 ? undefined : { id, win };
}

/** @param {TabChange} change */
function isDiscard(change) {
  return change.discarded ?? change.status === "unloaded";
}

/** @param {TabChange} change */
function isReturn(change) {
  return change.discarded === false || change.status === "loading";
}

/**
 * @param {TabChange} change
 * @returns {TabChanges}
 */
function changesOf(change) {
  /** @type {TabChanges} */
  const changes = {};
  if (change.pinned !== undefined) changes.pinned = change.pinned;
  if (change.audible !== undefined) changes.audible = change.audible;
  if (change.mutedInfo !== undefined) changes.muted = change.mutedInfo.muted;
  if (change.autoDiscardable !== undefined) changes.auto_discardable = change.autoDiscardable;
  if (change.frozen !== undefined) changes.frozen = change.frozen;
  if (change.groupId !== undefined) changes.group = change.groupId;
  return changes;
}

/**
 * Splits a list where it would no longer fit into so many bytes, those last in front first.
 *
 * @param {TabFacts[]} tabs
 * @param {number} room
 * @returns {[TabFacts[], TabFacts[]]}
 */
function splitBySize(tabs, room) {
  let bytes = 0;
  const sizes = tabs.map((tab) => JSON.stringify(tab).length + 1 + ADDED_BYTES);
  if (sizes.reduce((sum, size) => sum + size, 0) <= room) return [tabs, []];
  const recent = tabs.map((tab, index) => ({ tab, size: sizes[index] ?? 0 }));
  recent.sort((a, b) => (b.tab.last_accessed ?? 0) - (a.tab.last_accessed ?? 0));
  const cut = recent.findIndex(({ size }) => (bytes += size) > room);
  const list = recent.map(({ tab }) => tab);
  return [list.slice(0, cut), list.slice(cut)];
}
