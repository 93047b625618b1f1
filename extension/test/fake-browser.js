/**
 * A browser for tests: tabs, windows, storage, clock, timers and a native port, all in the hands
 * of the test. Its events come in the order in which Chromium 156 was seen to send them.
 */

export class FakeBrowser {
  time = 1_000_000;
  /** By how much its clock was set. */
  setBy = 0;
  /** What `storage.session` and `storage.local` hold, as JSON. */
  stored = { session: {}, local: {} };
  /** Makes the next write fail: how often. */
  failingWrites = 0;
  tabs = new Map();
  windows = new Map();
  /** Ports that were opened, the last one last. */
  ports = [];
  /** Why every connection fails at once; undefined for a host that is there. */
  refusal;
  timers = [];
  alarms = new Map();
  badge = "";
  opened = [];
  discarded = [];
  reloaded = [];
  grantsPages = false;
  watched = false;
  /** Whether open pages were gone through anew, for each time they were to be watched. */
  watchedAnew = [];
  touchedPages = new Map();
  user = "active";
  /** Called with the tab before it is discarded; may throw. */
  beforeDiscard = () => {};
  /** Called with the id of a tab that is asked for. */
  beforeTab = () => {};
  /** Whether `tabs.discard` resolves before its events come. */
  answersFirst = false;
  #nextId = 100;
  #nextTimer = 1;
  listeners = null;

  constructor() {
    this.session = this.#area("session");
    this.local = this.#area("local");
  }

  now = () => this.time + this.setBy;
  elapsed = () => this.time;
  random = () => 1;
  uuid = () => "11111111-2222-4333-8444-555555555555";
  setTimeout = (callback, ms) => {
    const id = this.#nextTimer++;
    this.timers.push({ id, at: this.time + ms, callback });
    return id;
  };
  clearTimeout = (id) => {
    this.timers = this.timers.filter((timer) => timer.id !== id);
  };

  /** Lets time pass, and runs the timers that fall due. */
  async pass(ms) {
    const end = this.time + ms;
    for (;;) {
      await settle();
      this.timers.sort((a, b) => a.at - b.at || a.id - b.id);
      const [next] = this.timers;
      if (next === undefined || next.at > end) break;
      this.timers.shift();
      this.time = next.at;
      next.callback();
    }
    this.time = end;
    await settle();
  }

  /** A worker that died: its timers, listeners and ports are gone, its storage is not. */
  killWorker() {
    this.timers = [];
    this.listeners = null;
    for (const port of this.ports) port.isDead = true;
    this.ports = [];
  }

  listen(listeners) {
    this.listeners = listeners;
  }

  identity = async () => ({
    browser: "Chromium",
    browser_version: "156.0.0.0",
    extension_version: "0.1.0",
  });

  #area(name) {
    return {
      get: async () => structuredClone(this.stored[name]),
      set: async (items) => {
        if (this.failingWrites > 0) {
          this.failingWrites -= 1;
          throw new Error("Session storage quota bytes exceeded.");
        }
        Object.assign(this.stored[name], JSON.parse(JSON.stringify(items)));
      },
      remove: async (keys) => {
        for (const key of keys) delete this.stored[name][key];
      },
    };
  }

  connectNative() {
    const port = new FakePort();
    this.ports.push(port);
    if (this.refusal !== undefined) {
      const reason = this.refusal;
      queueMicrotask(() => port.close(reason));
    }
    return port;
  }

  get port() {
    return this.ports.at(-1);
  }

  everything = async () =>
    structuredClone(
      [...this.windows.values()].map((win) => ({
        ...win,
        tabs: [...this.tabs.values()].filter((tab) => tab.windowId === win.id),
      })),
    );

  tab = async (id) => {
    this.beforeTab(id);
    const tab = this.tabs.get(id);
    if (tab === undefined) throw new Error(`No tab with id: ${id}.`);
    return structuredClone(tab);
  };

  isShown = async ({ windowId, active, splitViewId }) =>
    active ||
    [...this.tabs.values()].some(
      (tab) =>
        tab.active && tab.windowId === windowId && splitViewId !== -1 && tab.splitViewId === splitViewId,
    );

  discard = async (id) => {
    const tab = this.tabs.get(id);
    if (tab === undefined) throw new Error(`No tab with id: ${id}.`);
    if (tab.discarded) throw new Error(`Cannot discard tab with id: ${id}.`);
    this.beforeDiscard(tab);
    this.discarded.push(id);
    const tell = this.discardTab(id);
    if (this.answersFirst) setImmediate(tell);
    else tell();
    return structuredClone(tab);
  };

  /** Discards a tab; returns what tells of it. */
  discardTab(id) {
    const tab = this.tabs.get(id);
    this.tabs.delete(id);
    tab.id = this.#nextId++;
    tab.discarded = true;
    tab.status = "unloaded";
    this.tabs.set(tab.id, tab);
    return () => {
      this.listeners?.tabReplaced(this.time, tab.id, id);
      this.update(tab.id, { discarded: true, status: "unloaded" });
    };
  }

  reload = async (id) => {
    this.reloaded.push(id);
  };
  openPage = async (path) => {
    this.opened.push(path);
  };
  userState = async () => this.user;
  setAlarm = async (name, alarm) => {
    this.alarms.set(name, alarm);
  };
  setBadge = async (text) => {
    this.badge = text;
  };
  mayReadPages = async () => this.grantsPages;
  watchForms = async (_files, isNew) => {
    this.watched = true;
    this.watchedAnew.push(isNew);
  };
  unwatchForms = async () => {
    this.watched = false;
  };
  /** A promise in `touchedPages` stands for a page that takes its time. */
  askForms = async (id) => (await this.touchedPages.get(id)) === true;

  // --- What happens in it ------------------------------------------------------------------

  openWindow(id, more = {}) {
    this.windows.set(id, { id, incognito: false, focused: false, type: "normal", ...more });
  }

  /** A tab that is there, loaded and in the background, without an event. */
  haveTab(id, more = {}) {
    const tab = {
      id,
      windowId: 1,
      index: 0,
      url: `https://host${id}.example/path?query#part`,
      title: "a title",
      active: false,
      pinned: false,
      audible: false,
      mutedInfo: { muted: false },
      discarded: false,
      frozen: false,
      autoDiscardable: true,
      incognito: false,
      status: "complete",
      groupId: -1,
      splitViewId: -1,
      lastAccessed: 999_000.25,
      highlighted: false,
      selected: false,
      ...more,
    };
    this.tabs.set(id, tab);
    if (!this.windows.has(tab.windowId)) this.openWindow(tab.windowId, { incognito: tab.incognito });
    return tab;
  }

  /** What Chromium tells with `onUpdated`: the change, and the tab as it is then. */
  update(id, change) {
    const tab = this.tabs.get(id);
    const { url, status, ...rest } = change;
    Object.assign(tab, rest, url === undefined ? {} : { url, pendingUrl: undefined });
    if (status !== undefined) tab.status = status;
    this.listeners?.tabUpdated(this.time, id, change, structuredClone(tab));
  }

  /** Brings a tab to the front of its window. */
  activate(id) {
    const { windowId } = this.tabs.get(id);
    for (const tab of this.tabs.values()) if (tab.windowId === windowId) tab.active = tab.id === id;
    this.listeners?.tabActivated(this.time, id, windowId);
  }

  /** Makes a split view of tabs, or takes them out of theirs (−1): all are in it when it is told. */
  split(splitViewId, ...ids) {
    for (const id of ids) this.tabs.get(id).splitViewId = splitViewId;
    for (const id of ids) this.update(id, { splitViewId });
  }

  /** Moves a tab to another window. */
  move(id, windowId) {
    Object.assign(this.tabs.get(id), { windowId, active: false });
    this.listeners?.tabAttached(this.time, id, windowId);
  }

  create(id, more = {}) {
    const tab = this.haveTab(id, { url: "", status: "loading", ...more });
    this.listeners?.tabCreated(this.time, structuredClone(tab));
    return tab;
  }
}

export class FakePort {
  /** What the extension sent, oldest first. */
  sent = [];
  isDead = false;
  #onMessage = () => {};
  #onDisconnect = () => {};

  post(message) {
    if (this.isDead) throw new Error("Attempting to use a disconnected port object");
    this.sent.push(structuredClone(message));
  }
  disconnect() {
    this.isDead = true;
  }
  onMessage(listener) {
    this.#onMessage = listener;
  }
  onDisconnect(listener) {
    this.#onDisconnect = listener;
  }

  /** The host says something. */
  async says(message) {
    if (!this.isDead) this.#onMessage(message);
    await settle();
  }

  /** The host is gone. */
  close(reason = "Native host has exited.") {
    if (this.isDead) return;
    this.isDead = true;
    this.#onDisconnect(reason);
  }

  /** The events it was sent, those that were lost among them. */
  events() {
    return this.sent.flatMap((message) =>
      message.type === "events" ? message.events : message.type === "lost" ? [message] : [],
    );
  }
}

/** Lets everything run that waits for nothing but its turn. */
export async function settle() {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Leaves out what a check is not about, and what is not there. */
export function without(event, ...members) {
  const rest = JSON.parse(JSON.stringify(event));
  for (const member of members) delete rest[member];
  return rest;
}
