/**
 * The browser: the one module of the worker that calls `chrome.*`.
 *
 * It turns the browser's calls and events into what `Browser` in `types.d.ts` says, and decides
 * nothing. All else gets it passed in, and so runs under `node --test` with a fake one.
 *
 * Written for Chromium and Firefox, which takes the name `chrome`, too. Where Firefox differs it says
 * so: it keeps a discarded tab's id, `tabs.discard` resolves to nothing, events of windows take no
 * filter, and what ended a port is told by the port.
 *
 * @import {Browser, Listeners, Question, Reply, FormMessage, NativePort, StorageArea, Tab, UserState} from "../types"
 */

import { report } from "./report.js";

/** No input for this long counts as idle; the browser takes 15 s at least. */
const IDLE_AFTER_SECONDS = 60;

/** Installed web apps are windows, too. The browser leaves them out unless it is asked. */
const WINDOW_TYPES = /** @type {const} */ (["normal", "popup", "app"]);

const FORMS_SCRIPT = "forms";

/** Pages of these can hold forms that an extension may see. */
export const PAGES = ["http://*/*", "https://*/*"];

/**
 * Only Firefox and its relatives have it.
 *
 * @type {(() => Promise<{ name: string, version: string }>) | undefined}
 */
const firefoxInfo = /** @type {any} */ (globalThis.chrome)?.runtime?.getBrowserInfo;

/** @returns {Browser} */
export function thisBrowser() {
  return {
    now: () => Date.now(),
    elapsed: () => performance.now(),
    random: () => Math.random(),
    uuid: () => crypto.randomUUID(),
    setTimeout: (callback, ms) => setTimeout(callback, ms),
    clearTimeout: (timer) => clearTimeout(/** @type {number} */ (timer)),
    listen,
    identity,
    session: storageArea(chrome.storage.session),
    local: storageArea(chrome.storage.local),
    connectNative,
    everything: () => chrome.windows.getAll({ populate: true, windowTypes: [...WINDOW_TYPES] }),
    tab: (id) => chrome.tabs.get(id),
    isShown,
    discard,
    reload: (id) => chrome.tabs.reload(id),
    openPage: async (path) => {
      await chrome.tabs.create({ url: chrome.runtime.getURL(path) });
    },
    userState,
    setAlarm: async (name, alarm) => {
      await chrome.alarms.create(name, alarm);
    },
    setBadge: async (text, title) => {
      await chrome.action.setBadgeText({ text });
      await chrome.action.setTitle({ title });
    },
    mayReadPages: () => chrome.permissions.contains({ origins: PAGES }),
    watchForms,
    unwatchForms,
    askForms,
  };
}

/** @param {Listeners} listeners */
function listen(listeners) {
  const at = () => Date.now();
  chrome.tabs.onCreated.addListener((tab) => listeners.tabCreated(at(), tab));
  chrome.tabs.onUpdated.addListener((id, change, tab) =>
    listeners.tabUpdated(at(), id, change, tab),
  );
  chrome.tabs.onActivated.addListener(({ tabId, windowId }) =>
    listeners.tabActivated(at(), tabId, windowId),
  );
  chrome.tabs.onAttached.addListener((id, { newWindowId }) =>
    listeners.tabAttached(at(), id, newWindowId),
  );
  chrome.tabs.onReplaced.addListener((id, old) => listeners.tabReplaced(at(), id, old));
  chrome.tabs.onRemoved.addListener((id) => listeners.tabRemoved(at(), id));

  /** @type {[] | [{ windowTypes: ("normal" | "popup" | "app")[] }]} */
  const filter = firefoxInfo === undefined ? [{ windowTypes: [...WINDOW_TYPES] }] : [];
  chrome.windows.onCreated.addListener((win) => listeners.windowCreated(at(), win), ...filter);
  chrome.windows.onRemoved.addListener((id) => listeners.windowRemoved(at(), id), ...filter);
  chrome.windows.onFocusChanged.addListener(
    (id) => listeners.windowFocused(at(), id === chrome.windows.WINDOW_ID_NONE ? null : id),
    ...filter,
  );

  // Not every browser built on Chromium has it.
  if (chrome.idle !== undefined) {
    chrome.idle.setDetectionInterval(IDLE_AFTER_SECONDS);
    chrome.idle.onStateChanged.addListener((state) => listeners.idleChanged(at(), state));
  }
  chrome.alarms.onAlarm.addListener(({ name }) => listeners.alarm(name));
  chrome.permissions.onAdded.addListener(() => listeners.permissionsChanged());
  chrome.permissions.onRemoved.addListener(() => listeners.permissionsChanged());
  chrome.runtime.onInstalled.addListener(() => listeners.installed());

  chrome.runtime.onMessage.addListener((message, sender, respond) => {
    if (sender.id !== chrome.runtime.id) return false;
    // A content script has the id of the extension, but the address of its page: it may tell its
    // bit, and ask for nothing.
    if (sender.url?.startsWith(chrome.runtime.getURL(""))) {
      listeners.asked(/** @type {Question} */ (message)).then(
        (ok) => respond(/** @type {Reply<unknown>} */ ({ ok })),
        (error) => respond(/** @type {Reply<unknown>} */ ({ error: refusal(error) })),
      );
      return true;
    }
    if (sender.tab !== undefined) {
      listeners.formTold(at(), sender.tab, /** @type {FormMessage} */ (message));
    }
    return false;
  });
}

/** @param {any} error */
function refusal(error) {
  return {
    code: typeof error?.code === "string" ? error.code : "failed",
    message: error instanceof Error ? error.message : String(error),
    fix: error?.fix ?? null,
    field: error?.field ?? null,
  };
}

/** Which browser this is. Brands come in any order, with a made-up one among them. */
async function identity() {
  const extension_version = chrome.runtime.getManifest().version;
  if (firefoxInfo !== undefined) {
    const { name, version } = await firefoxInfo();
    return { browser: name, browser_version: version, extension_version };
  }
  const known = ["Google Chrome", "Microsoft Edge", "Brave", "Vivaldi", "Opera", "Chromium"];
  // The types of the DOM do not have it yet.
  const agent = /** @type {any} */ (navigator).userAgentData;
  /** @type {{ brand: string, version: string }[]} */
  const brands = (await agent?.getHighEntropyValues(["fullVersionList"]))?.fullVersionList ?? [];
  const found = known.map((name) => brands.find(({ brand }) => brand === name)).find(Boolean);
  return {
    browser: found?.brand ?? "unknown",
    browser_version: found?.version ?? "unknown",
    extension_version,
  };
}

/**
 * @param {chrome.storage.StorageArea} area
 * @returns {StorageArea}
 */
function storageArea(area) {
  return {
    get: () => area.get(null),
    set: (items) => area.set(items),
    remove: (keys) => area.remove(keys),
  };
}

/**
 * @param {string} host
 * @returns {NativePort}
 */
function connectNative(host) {
  const port = chrome.runtime.connectNative(host);
  return {
    post: (message) => port.postMessage(message),
    disconnect: () => port.disconnect(),
    onMessage: (listener) => port.onMessage.addListener(listener),
    onDisconnect: (listener) =>
      port.onDisconnect.addListener((ended) => {
        const error = /** @type {{ error?: Error }} */ (ended).error ?? chrome.runtime.lastError;
        listener(error?.message ?? null);
      }),
  };
}

/**
 * In a split view two tabs are in sight, and one of them is active.
 *
 * @param {Tab} tab
 */
async function isShown({ active, splitViewId = -1, windowId }) {
  if (active || splitViewId === -1) return active;
  const front = await chrome.tabs.query({ windowId, active: true });
  return front.some((tab) => tab.splitViewId === splitViewId);
}

/** @param {number} id */
async function discard(id) {
  // Chromium resolves to the tab under its new id, Firefox to nothing, whatever came of it.
  return (await chrome.tabs.discard(id)) ?? (await chrome.tabs.get(id));
}

/** @returns {Promise<UserState | null>} */
async function userState() {
  return chrome.idle === undefined ? null : chrome.idle.queryState(IDLE_AFTER_SECONDS);
}

/**
 * Puts the content script into every page to come, and into those that are open if it may not be in
 * them: what is registered outlives the extension's being switched off, what is in a page does not.
 *
 * @param {string[]} files
 * @param {boolean} isNew whether the extension's session has just begun
 */
async function watchForms(files, isNew) {
  const script = {
    id: FORMS_SCRIPT,
    js: files,
    matches: PAGES,
    allFrames: true,
    // Editors live in frames without an address of their own.
    matchOriginAsFallback: true,
    runAt: /** @type {const} */ ("document_start"),
  };
  const registered = await chrome.scripting.getRegisteredContentScripts({ ids: [FORMS_SCRIPT] });
  if (registered.length === 0) await chrome.scripting.registerContentScripts([script]);
  else if (!isNew) return;
  const tabs = await chrome.tabs.query({ url: PAGES, discarded: false });
  for (const { id, status } of tabs) {
    if (id === undefined || status === "unloaded") continue;
    // The browser's own shop and pages that show an error refuse every script.
    chrome.scripting
      .executeScript({ target: { tabId: id, allFrames: true }, files })
      .catch(() => undefined);
  }
}

async function unwatchForms() {
  const registered = await chrome.scripting.getRegisteredContentScripts({ ids: [FORMS_SCRIPT] });
  if (registered.length === 0) return;
  await chrome.scripting.unregisterContentScripts({ ids: [FORMS_SCRIPT] }).catch(report);
}

/**
 * @param {number} id
 * @returns {Promise<boolean>}
 */
async function askForms(id) {
  try {
    // Frames without a touched form do not answer, so the first answer is the answer.
    return (await chrome.tabs.sendMessage(id, { ask: "touched" })) === true;
  } catch {
    // No frame listens, or none of them answered.
    return false;
  }
}
