// A witness of what happens to tabs: it listens to the browser itself, from a page of the extension
// that no killing of workers and hosts touches. It knows nothing of the worker, the host or the log.
//
// The browser tells every listener in the same order. So when it tells that a tab was discarded,
// what the witness knew of the tab the moment before is what the tab was.

export class Witness {
  /** What is open, by its present id. */
  tabs = new Map();
  /** Tabs that opened, by their id then: when that was. In the order in which the browser told of them. */
  opened = new Map();
  /** The ids of tabs that closed, in that order. */
  closed = [];
  /** Discards: `at_ms`, the `old` id and the new one, and the guards that held. */
  discards = [];
  /** Addresses of pages that a form was touched in. */
  #touched = new Set();
  #lab;

  constructor(lab) {
    this.#lab = lab;
  }

  /** Begins to listen, in the lab's controller page. That must not navigate from here on. */
  async listen() {
    const open = await this.#lab.inController(async () => {
      const seen = [];
      globalThis.witnessed = seen;
      const tell = (what, told) => seen.push({ at_ms: Date.now(), what, ...told });
      const { tabs } = globalThis.chrome;
      tabs.onCreated.addListener((tab) => tell('opened', { id: tab.id, tab }));
      tabs.onUpdated.addListener((id, change) => tell('changed', { id, change }));
      tabs.onActivated.addListener(({ tabId, windowId }) => tell('activated', { id: tabId, windowId }));
      tabs.onAttached.addListener((id, { newWindowId }) => tell('moved', { id, windowId: newWindowId }));
      tabs.onReplaced.addListener((id, old) => tell('replaced', { id, old }));
      tabs.onRemoved.addListener((id) => tell('closed', { id }));
      return tabs.query({});
    });
    for (const tab of open) this.tabs.set(tab.id, factsOf(tab));
  }

  /** The lab has touched a form in the page at this address, and will not leave it. */
  touches(url) {
    this.#touched.add(url);
  }

  /** Hears what was told since the last time. */
  async hear() {
    const told = await this.#lab.inController(() => globalThis.witnessed.splice(0));
    for (const event of told) this.#heard(event);
  }

  #heard({ what, at_ms, id, ...told }) {
    const tab = this.tabs.get(id);
    if (what === 'opened') {
      this.opened.set(id, at_ms);
      this.tabs.set(id, factsOf(told.tab));
    } else if (what === 'closed') {
      this.closed.push(id);
      this.tabs.delete(id);
    } else if (what === 'replaced') {
      const before = this.tabs.get(told.old);
      this.discards.push({ at_ms, id, old: told.old, guards: this.#guards(before) });
      this.tabs.delete(told.old);
      this.tabs.set(id, { ...before, loading: false });
    } else if (tab === undefined) {
      // The last words on a tab that is closed.
    } else if (what === 'activated') {
      for (const other of this.tabs.values()) {
        if (other.windowId === told.windowId) other.active = false;
      }
      tab.active = true;
    } else if (what === 'moved') {
      tab.windowId = told.windowId;
    } else {
      const { url, status, pinned, audible } = told.change;
      if (url !== undefined) tab.url = url;
      if (status !== undefined) tab.loading = status === 'loading';
      if (pinned !== undefined) tab.pinned = pinned;
      if (audible !== undefined) tab.audible = audible;
    }
  }

  /** What forbids to discard a tab. */
  #guards(tab) {
    if (tab === undefined) return ['NOT_KNOWN'];
    const guards = [];
    if (tab.active) guards.push('ACTIVE');
    if (tab.pinned) guards.push('PINNED');
    if (tab.audible) guards.push('AUDIBLE');
    if (tab.loading) guards.push('LOADING');
    if (this.#touched.has(tab.url)) guards.push('UNSAVED');
    if (!tab.url.startsWith('http')) guards.push('INTERNAL');
    return guards;
  }
}

function factsOf({ windowId, url, pendingUrl, active, pinned, audible, status }) {
  return { windowId, url: url || pendingUrl || '', active, pinned, audible, loading: status === 'loading' };
}
