// Popup and settings in a real Chromium, used as people use them without a mouse.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { openLabOrSkip, waitFor } from './lab/lab.js';

const POLICY = `# Mine, since March.
ttl_minutes = 33 # long
protected_domains = ["mybank.example"]
`;

const KEYS = { ArrowDown: 40, Enter: 13, Tab: 9 };

/** @type {import('./lab/lab.js').Lab} */
let lab;

const MIB = 1 << 20;

/** What the page behind holds. */
const BEHIND_MIB = 60;

/** A tab that nobody has looked at. */
let behind;

before(async () => {
  lab = await openLabOrSkip({ policy: POLICY });
  behind = await lab?.openTab({ url: lab.pages.url('wiki', `heavy/${BEHIND_MIB}`), active: false });
});

after(() => lab?.close());

/** Presses a key and lets it go. */
async function press(key) {
  const text = key === 'Enter' ? { text: '\r' } : {};
  const event = { key, code: key, windowsVirtualKeyCode: KEYS[key], ...text };
  await lab.controller.Input.dispatchKeyEvent({ type: text.text ? 'keyDown' : 'rawKeyDown', ...event });
  await lab.controller.Input.dispatchKeyEvent({ type: 'keyUp', ...event });
}

const focus = (selector) => lab.inController((it) => document.querySelector(it).focus(), selector);
const focused = () => lab.inController(() => document.activeElement.id || document.activeElement.textContent);
const text = (selector) => lab.inController((it) => document.querySelector(it).textContent.trim(), selector);
const click = (selector) => lab.inController((it) => document.querySelector(it).click(), selector);
const waitForText = (selector, expect) =>
  waitFor(`${selector} says ${expect}`, async () => expect.test(await text(selector)));

/** What assistive technology is told of the controls of a page: role and name of each. */
async function controls() {
  const { nodes } = await lab.controller.Accessibility.getFullAXTree();
  return nodes
    .filter(({ ignored, role, properties = [] }) => {
      const isPage = role.value === 'RootWebArea';
      return !ignored && !isPage && properties.some(({ name, value }) => name === 'focusable' && value.value);
    })
    .map(({ role, name }) => ({ role: role.value, name: name?.value ?? '' }));
}

/** Sees the page in a few colours of the person's own, as with Windows' contrast themes. */
const seeInForcedColours = (isOn) =>
  lab.controller.Emulation.setEmulatedMedia({
    features: isOn ? [{ name: 'forced-colors', value: 'active' }] : [],
  });

/** What is typed into a field of the settings, whether its group is open or not. */
const fill = (name, value) =>
  lab.inController(
    (name, value) => {
      const field = document.querySelector(`[name="${name}"]`);
      field.value = value;
      field.dispatchEvent(new Event('input', { bubbles: true }));
    },
    name,
    value,
  );

const policy = () => readFileSync(lab.policyFile, 'utf8');

async function openSettings() {
  await lab.goTo('pages/options.html');
  // A page that nobody looks at does not refresh.
  const { id } = await lab.chrome('tabs.getCurrent');
  await lab.chrome('tabs.update', id, { active: true });
  await waitFor('the settings are there', () =>
    lab.inController(
      () => document.querySelector('#presets button')?.checkVisibility() && !document.querySelector('fieldset:disabled'),
    ),
  );
}

test('a pause is chosen by keyboard, and the focus is not lost over it', { timeout: 120_000 }, async (t) => {
  if (!lab) return t.skip('no browser');
  const pauses = () => lab.log().filter(({ type }) => type === 'paused');
  const canBeAsked = (selector) => lab.inController((it) => !document.querySelector(it).disabled, selector);
  await waitFor('the popup is there', () =>
    lab.inController(() => document.querySelector('#pause')?.checkVisibility()),
  );
  await focus('#pause');
  await press('Enter');
  await press('Tab');
  assert.equal(await focused(), '15 minutes');
  await press('Tab');
  assert.equal(await focused(), 'An hour');
  assert.deepEqual(pauses(), [], 'nothing is paused by looking');
  assert.ok(await canBeAsked('#prune'));

  await press('Enter');
  await waitFor('the focus is where the pause can be ended', async () => (await focused()) === 'resume');
  const [{ until_ms, t_ms }, ...more] = pauses();
  assert.deepEqual(more, []);
  assert.ok(Math.abs(until_ms - t_ms - 3_600_000) < 30_000, `${until_ms - t_ms} ms`);
  assert.match(await text('#paused-text'), /^Paused until /);
  assert.ok(!(await canBeAsked('#prune')), 'a pause is a pause');

  await press('Enter');
  await waitFor('the focus is back', async () => (await focused()) === 'pause');
  assert.equal(pauses().at(-1).until_ms, undefined);
});

test('while it only observes, memory is freed at a second word alone', { timeout: 180_000 }, async (t) => {
  if (!lab) return t.skip('no browser');
  const asked = () => lab.log().filter(({ type }) => type === 'prune_requested');
  await waitFor('it can be asked for', () => lab.inController(() => !document.querySelector('#prune').disabled));
  assert.equal(await text('#prune'), 'Free memory now…');
  await focus('#prune');
  await press('Enter');
  assert.match(await text('#once-text'), /^Put tabs to sleep now, though it only observes\?/);
  assert.equal(await focused(), 'once-no');
  await press('Enter');
  assert.equal(await focused(), 'prune');
  assert.deepEqual(asked(), [], 'nothing is asked for by looking');

  // The words for it may be gone within a moment: what it has led to stands in their place.
  const isAsked = (times) => waitFor(`it is asked for, ${times} in all`, () => asked().length === times);
  const askTwice = async () => {
    await focus('#prune');
    await press('Enter');
    await press('Tab');
    assert.equal(await focused(), 'once-yes');
    await press('Enter');
    assert.equal(await focused(), 'prune');
  };
  await lab.chrome('tabs.update', behind.id, { pinned: true });
  await askTwice();
  await isAsked(1);
  await waitForText('#answer', /^No tab can go to sleep now/);

  await lab.evaluate(behind.url, () => {
    document.title = 'صفحة';
  });
  await focus('#awake summary');
  await press('Enter');
  await waitForText('#awake-list', /صفحةIt is pinned/);
  const direction = await lab.inController(() => {
    const title = [...document.querySelectorAll('#awake-list .title')].find((it) => it.textContent === 'صفحة');
    return getComputedStyle(title).direction;
  });
  assert.equal(direction, 'rtl', 'a title that is cut off keeps its beginning');
  assert.match(await text('#awake-note'), /^The longest unused\. No extension can see: a camera/);

  await lab.chrome('tabs.update', behind.id, { pinned: false });
  await lab.waitForLog('the tab is older than a minute', (log) => log.at(-1).t_ms - log[0].t_ms > 75_000, 90);
  // The log's clock is one of its own, and may be a second behind.
  await lab.inController(() => {
    const now = Date.now;
    Date.now = () => now() + 900;
  });
  await askTwice();
  await isAsked(2);
  await waitForText('#recent-list', /Asleep for /);
  await waitForText('#answer', /^$/);
  // Who looks at the popup has had the memory measured before they wish for it.
  await lab.waitForLog('what that freed is measured', (log) => {
    const freed = log.find(({ type, how }) => type === 'tab_memory' && how === 'reclaimed');
    return freed && freed.bytes > 0.85 * BEHIND_MIB * MIB && freed.bytes < (BEHIND_MIB + 40) * MIB;
  });
  assert.equal(await text('#recent-title'), 'Decided lately');
  assert.match(await text('#mode-text'), /^By itself it puts nothing to sleep, and saw no need to/);

  // Who has agreed to it is not asked again.
  await lab.setMode('enforce');
  await waitForText('#prune', /now$/);
  await click('#prune');
  await click('#prune');
  await isAsked(3);
  await waitForText('#answer', /^No tab can go to sleep now/);
  assert.equal(asked().length, 3, 'a double click is one wish');
  await lab.setMode('observe');
});

test('a preset fills in what it is about, and what is its owner’s stays', { timeout: 120_000 }, async (t) => {
  if (!lab) return t.skip('no browser');
  await openSettings();
  await fill('cooldown_seconds', '77');
  await lab.inController(() => {
    [...document.querySelectorAll('#presets button')].find((it) => it.textContent === 'eager').click();
  });
  assert.match(await text('#answer'), /^5 changes not saved$/);
  const edited = () =>
    lab.inController(() => [...document.querySelectorAll('.edited [name]')].map(({ name }) => name));
  assert.deepEqual(await edited(), [
    'ttl_minutes', 'cooldown_seconds', 'focus.proactive', 'focus.out_ttl_minutes', 'focus.cluster_minutes',
  ]);
  assert.equal(policy(), POLICY, 'nothing is saved yet');
  await focus('[name=cooldown_seconds]');
  await press('Enter');
  await waitForText('#answer', /^Saved\.$/);
  assert.equal(await focused(), 'setting-cooldown_seconds');
  assert.deepEqual(await edited(), []);
  const [own, focusMode] = policy().split('[focus]');
  assert.equal(own.trimEnd(), `${POLICY.replace('33', '5.0')}cooldown_seconds = 77`);
  assert.match(focusMode, /proactive = true/);
  await lab.inController(() => {
    [...document.querySelectorAll('#presets button')].find((it) => it.textContent === 'eager').click();
  });
  assert.match(await text('#answer'), /^It is “eager” as it stands\.$/);
});

test('what is refused says what to do about it', { timeout: 120_000 }, async (t) => {
  if (!lab) return t.skip('no browser');
  await openSettings();
  const before = policy();
  await fill('protected_domains', 'https://mybank.example');
  await click('#save');
  const expect = /^found "https:\/\/mybank.example", expected .*\. Correct the setting; .*\.$/;
  await waitForText('#setting-protected_domains-problem', expect);
  assert.equal(await focused(), 'setting-protected_domains');
  assert.equal(policy(), before);
});

test('a site is protected under the name that the browser shows', { timeout: 120_000 }, async (t) => {
  if (!lab) return t.skip('no browser');
  await openSettings();
  await fill('protected_domains', 'mybank.example\nbücher.example');
  await click('#save');
  await waitForText('#answer', /^Saved\.$/);
  assert.match(policy(), /"mybank\.example",\s*"xn--bcher-kva\.example"/);
  assert.equal(
    await lab.inController(() => document.querySelector('[name=protected_domains]').value),
    'mybank.example\nxn--bcher-kva.example',
  );
});

test('a choice of privacy is looked through and not taken before it is said so', { timeout: 120_000 }, async (t) => {
  if (!lab) return t.skip('no browser');
  await openSettings();
  const chosen = () => lab.inController(() => document.querySelector('#privacy input:checked').value);
  await focus('#privacy input[value=hostname]');
  await press('ArrowDown');
  await press('ArrowDown');
  assert.equal(await chosen(), 'keyed-hash');
  assert.equal(await text('#privacy-answer'), 'Chosen, and not in use yet.');
  // When the page has been refreshed it is still chosen, and still not in use.
  await lab.inController(() => globalThis.chrome.runtime.sendMessage({ ask: 'set_mode', mode: 'enforce' }));
  await waitFor('the page is refreshed', () =>
    lab.inController(() => document.querySelector('#mode input[value=enforce]').checked),
  );
  assert.equal(await chosen(), 'keyed-hash');
  assert.deepEqual(lab.logs().map(({ lines: [opened] }) => opened.privacy), ['hostname']);

  await press('ArrowUp');
  await press('Tab');
  await press('Tab');
  await press('Tab');
  assert.equal(await focused(), 'use-privacy');
  await press('Enter');
  await waitForText('#privacy-answer', /^In use\.$/);
  assert.equal(await chosen(), 'site');
  assert.equal(await focused(), 'use-privacy');
  await waitFor('another log is begun', () => lab.logs().length === 2);
  assert.equal(lab.logs()[1].lines[0].privacy, 'site');
});

test('a setting that is out of its range is shown, in a closed group, too', { timeout: 120_000 }, async (t) => {
  if (!lab) return t.skip('no browser');
  await openSettings();
  const before = policy();
  const isShown = () =>
    lab.inController(() => document.querySelector('#setting-pressure-ram_weight').checkVisibility());
  assert.ok(!(await isShown()));
  await fill('pressure.ram_weight', '999');
  await click('#save');
  assert.ok(await isShown());
  assert.equal(await focused(), 'setting-pressure-ram_weight');
  assert.equal(policy(), before);
});

test('what is typed while it is being saved is neither lost nor said to be saved', { timeout: 120_000 }, async (t) => {
  if (!lab) return t.skip('no browser');
  await openSettings();
  await lab.inController(() => {
    const { runtime } = globalThis.chrome;
    const send = runtime.sendMessage.bind(runtime);
    const type = (name, value) => {
      const field = document.querySelector(`[name="${name}"]`);
      field.value = value;
      field.dispatchEvent(new Event('input', { bubbles: true }));
    };
    runtime.sendMessage = async (question) => {
      const answer = await send(question);
      if (question.ask === 'change_policy') {
        type('batch_high', '3');
        type('cooldown_seconds', '99');
        runtime.sendMessage = send;
      }
      return answer;
    };
  });
  await fill('cooldown_seconds', '88');
  await fill('ttl_minutes', '44');
  await fill('batch_medium', '2');
  assert.equal(await text('#answer'), '3 changes not saved');
  await click('#save');
  await waitForText('#answer', /^2 changes not saved$/);
  assert.match(policy(), /ttl_minutes = 44/);
  assert.match(policy(), /cooldown_seconds = 88/);
  assert.doesNotMatch(policy(), /batch_high/);
  await click('#save');
  await waitForText('#answer', /^Saved\.$/);
  assert.match(policy(), /cooldown_seconds = 99/);
  assert.match(policy(), /batch_high = 3/);
});

test('each control has a name, and none two have the same', { timeout: 120_000 }, async (t) => {
  if (!lab) return t.skip('no browser');
  await openSettings();
  await lab.inController(() => {
    for (const group of document.querySelectorAll('details')) group.open = true;
  });
  const settings = await controls();
  assert.ok(settings.length > 40, `${settings.length} controls`);
  await lab.goTo('pages/setup.html');
  const setup = await controls();
  await lab.goTo('pages/popup.html');
  await waitFor('the popup is there', () => lab.inController(() => document.querySelector('#pause')?.checkVisibility()));
  const popup = await controls();
  assert.deepEqual(popup.filter(({ role }) => role === 'switch' || role === 'checkbox'), [{ role: 'checkbox', name: 'Focus mode' }]);
  for (const page of [settings, setup, popup]) {
    assert.deepEqual(page.filter(({ name }) => name.trim() === ''), []);
    const names = page.map(({ role, name }) => `${role} ${name}`);
    assert.deepEqual(names.filter((name, index) => names.indexOf(name) !== index), []);
  }
});

test('what is chosen is seen in colours of the person’s own, too', { timeout: 120_000 }, async (t) => {
  if (!lab) return t.skip('no browser');
  await openSettings();
  const look = (selector) =>
    lab.inController((it) => {
      const { backgroundColor, borderColor } = getComputedStyle(document.querySelector(it));
      return `${backgroundColor} ${borderColor}`;
    }, selector);
  await seeInForcedColours(true);
  try {
    assert.notEqual(await look('.choices label:has(:checked)'), await look('.choices label:not(:has(:checked))'));
    const name = '[name="focus.enabled"]';
    const before = await look(name);
    await click(name);
    assert.notEqual(await look(name), before);
    await click(name);
    assert.equal(await look(name), before);
  } finally {
    await seeInForcedColours(false);
  }
});

test('who has chosen a larger type reads a larger one, on a page that has room for it', { timeout: 120_000 }, async (t) => {
  if (!lab) return t.skip('no browser');
  const choose = (standard) => lab.controller.Page.setFontSizes({ fontSizes: { standard, fixed: standard - 3 } });
  const look = () =>
    lab.inController(() => {
      const sizes = new Map();
      for (const it of document.querySelectorAll('body *')) {
        if (!it.checkVisibility() || it.textContent.trim() === '') continue;
        const name = [it.localName, it.id, ...it.classList].join(' ');
        sizes.set(name, parseFloat(getComputedStyle(it).fontSize));
      }
      const { scrollWidth, clientWidth } = document.documentElement;
      return { sizes: [...sizes], beyond: scrollWidth - clientWidth };
    });
  for (const page of ['popup', 'options', 'setup']) {
    await lab.goTo(`pages/${page}.html`);
    await waitFor('the page is there', async () => (await look()).sizes.length > 5);
    try {
      await choose(16);
      const before = new Map((await look()).sizes);
      await choose(24);
      const { sizes, beyond } = await look();
      assert.equal(beyond, 0, `${page}: ${beyond} px beyond its right side`);
      const known = sizes.filter(([name]) => before.has(name));
      assert.ok(known.length > 5, page);
      const stay = known.filter(([name, size]) => Math.abs(size / before.get(name) - 1.5) > 0.01);
      assert.deepEqual(stay, [], page);
    } finally {
      await choose(16);
    }
  }
});
