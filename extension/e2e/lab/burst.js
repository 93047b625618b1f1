// Much at once, for a fault to fall into: tabs opened and closed, muted and not, pinned and not.

/** How many tabs are opened; half of them are closed at once. */
const TABS = 4;

export class Bursts {
  /** Tabs of the last burst that are still open. */
  #left = [];
  #lab;

  constructor(lab) {
    this.#lab = lab;
  }

  /** Lets it happen. Settles when the browser has done all of it. */
  async burst() {
    const urls = Array.from({ length: TABS }, (_, index) => this.#lab.pages.url('burst', `plain/${index}`));
    this.#left = await this.#lab.inController(
      async (urls, left) => {
        const { tabs } = globalThis.chrome;
        const opened = await Promise.all(urls.map((url) => tabs.create({ url, active: false })));
        const mute = async (id) => {
          await tabs.update(id, { muted: true });
          await tabs.update(id, { muted: false });
        };
        const [pinned, second, ...closed] = opened.map(({ id }) => id);
        const jobs = [
          ...[second, ...closed].map(mute),
          tabs.update(pinned, { pinned: true }),
          tabs.remove(closed),
          tabs.remove(left),
        ];
        // A tab may be closed before it is muted, or was discarded and has another id.
        await Promise.allSettled(jobs);
        return [pinned, second];
      },
      urls,
      this.#left,
    );
  }
}
