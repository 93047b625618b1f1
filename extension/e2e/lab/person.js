// A scripted person: opens, reads, switches, navigates, moves and closes tabs at human pace.
//
// The pace and the habits follow published numbers on tab use: dwell times are Weibull with a
// shape below one (short looks, long reads; half of them below 13 s), most switches go back to a tab used lately, sites
// are visited by Zipf's law.

import { generator } from './random.js';

const DWELL_SHAPE = 0.61;
const DWELL_SCALE_S = 24;

const SITES = [
  'mail', 'search', 'news', 'docs', 'forum', 'code', 'video', 'shop', 'wiki', 'maps', 'bank', 'blog',
];

/** The pages a person opens: mostly plain ones, some that hold much. */
const PAGES = ['plain', 'plain', 'plain', 'plain', 'plain', 'heavy/30', 'heavy/60', 'heavy/120'];

export class Person {
  /**
   * @param {import('./lab.js').Lab} lab
   * @param {{ seed: number, tabs: number, pace?: number, forgets?: number, pages?: string[],
   *   leaves?: string[], say?: (text: string) => void }} habits `tabs` is how many are kept open;
   *   `pace` makes everything that many times faster; `forgets` is how much rather the person goes
   *   back to a tab used lately: 1 goes to all alike; `pages` are opened, each as often as it
   *   stands there; tabs on the sites in `leaves` are somebody else's
   */
  constructor(lab, { seed, tabs, pace = 1, forgets = 3, pages = PAGES, leaves = [], say = () => {} }) {
    this.lab = lab;
    this.random = generator(seed);
    this.tabs = tabs;
    this.pace = pace;
    this.forgets = forgets;
    this.pages = pages;
    this.leaves = leaves.map((site) => `//${site}.localhost:`);
    this.say = say;
    /** Tab ids, the last used first. Ids change when a tab is discarded. */
    this.recent = [];
    this.opened = 0;
  }

  /** Browses until the time is over. */
  async browse(minutes) {
    this.home = (await this.lab.chrome('windows.getLastFocused')).id;
    const end = Date.now() + minutes * 60_000;
    await this.settleIn();
    while (Date.now() < end) {
      await this.act().catch(passOverGoneTab);
      await this.dwell();
    }
  }

  /** Opens what was left open the day before: most of the tabs, one every few seconds. */
  async settleIn() {
    for (let open = 0; open < 0.8 * this.tabs; open++) {
      await this.openTab(undefined, 0.7);
      await this.rest(1 + 4 * this.random());
    }
  }

  async act() {
    const open = await this.openTabs();
    const front = open.find((tab) => tab.active && tab.id === this.recent[0]) ?? open.find((tab) => tab.active);
    if (open.length < this.tabs && this.random() < 0.5) return this.openTab(front);
    const dice = this.random();
    if (dice < 0.6) return this.switchTab(open);
    if (dice < 0.78) return this.navigate(front);
    if (dice < 0.88) return this.openTab(front);
    if (dice < 0.96) return this.closeTab(open);
    if (dice < 0.98) return this.moveTab(open);
    if (front) await this.lab.chrome('tabs.reload', front.id);
  }

  /** The tabs of this person: all but the test's own, and those that are left alone. */
  async openTabs() {
    const all = await this.lab.chrome('tabs.query', {});
    const open = all.filter((tab) => {
      const url = tab.url || tab.pendingUrl || '';
      return url.includes('.localhost:') && !this.leaves.some((site) => url.includes(site));
    });
    const ids = new Set(open.map((tab) => tab.id));
    this.recent = this.recent.filter((id) => ids.has(id));
    this.recent.push(...open.map((tab) => tab.id).filter((id) => !this.recent.includes(id)));
    return open;
  }

  async openTab(front, shareInBackground = 0.3) {
    const inBackground = this.random() < shareInBackground;
    const tab = await this.lab.chrome('tabs.create', {
      url: this.anyUrl(),
      active: !inBackground,
      ...(front ? { windowId: front.windowId, openerTabId: front.id } : {}),
    });
    this.say(`opens tab ${tab.id}`);
    if (!inBackground) this.use(tab.id);
  }

  async switchTab(open) {
    // Back to the second-last tab most often, to older ones ever less.
    const others = this.recent.slice(1);
    if (others.length === 0) return;
    const rank = Math.floor(others.length * this.random() ** this.forgets);
    const id = others[rank];
    const tab = open.find((candidate) => candidate.id === id);
    this.say(`switches to tab ${id}${tab?.discarded ? ' (discarded)' : ''}`);
    if (tab?.discarded && tab.windowId !== this.home) {
      // A tab that comes to the front of a window without the focus is not loaded; a person has
      // the window in front of him, or takes the tab over.
      await this.lab.chrome('tabs.move', id, { windowId: this.home, index: -1 });
    }
    await this.lab.chrome('tabs.update', id, { active: true });
    this.use(id);
  }

  async navigate(front) {
    if (!front) return;
    this.say(`navigates in tab ${front.id}`);
    await this.lab.chrome('tabs.update', front.id, { url: this.anyUrl() });
  }

  async closeTab(open) {
    const closable = open.filter((tab) => !tab.pinned);
    if (closable.length < this.tabs / 2) return;
    const { id } = closable[Math.floor(this.random() * closable.length)];
    this.say(`closes tab ${id}`);
    await this.lab.chrome('tabs.remove', id);
  }

  async moveTab(open) {
    const windows = [...new Set(open.map((tab) => tab.windowId))];
    const { id, windowId } = open[Math.floor(this.random() * open.length)];
    const target = windows.find((other) => other !== windowId);
    if (target === undefined) return;
    this.say(`moves tab ${id}`);
    await this.lab.chrome('tabs.move', id, { windowId: target, index: -1 });
  }

  use(id) {
    this.recent = [id, ...this.recent.filter((other) => other !== id)];
  }

  anyUrl() {
    const site = SITES[Math.floor(SITES.length * this.random() ** 2)];
    const page = this.pages[Math.floor(this.pages.length * this.random())];
    this.opened += 1;
    return this.lab.pages.url(site, page === 'plain' ? `plain/${this.opened}` : page);
  }

  async dwell() {
    const seconds = DWELL_SCALE_S * (-Math.log(1 - this.random())) ** (1 / DWELL_SHAPE);
    await this.rest(Math.min(Math.max(seconds, 1.5), 150));
  }

  rest(seconds) {
    return new Promise((resolve) => setTimeout(resolve, (seconds / this.pace) * 1000));
  }
}

/** A tab that was discarded since the person looked has another id: the next look finds it. */
function passOverGoneTab(error) {
  if (!/^Error: (No tab with id|Tab cannot be)/.test(error.message)) throw error;
}
