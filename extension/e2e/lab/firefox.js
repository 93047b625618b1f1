// A laboratory with a real Firefox: driven over WebDriver BiDi, with the extension as a temporary
// add-on, as a developer loads it, and the host installed into a home folder of its own.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import WebSocket from 'ws';

import { HostSide, QUIET_PAGE, installExtension, prepare, waitFor } from './lab.js';

/** Where the browser is: Debian's Firefox, unless FIREFOX names another. */
export const FIREFOX = process.env.FIREFOX ?? '/usr/bin/firefox-esr';

/** The add-on's address in this profile. Firefox draws another for each. */
const ORIGIN = 'moz-extension://5a0c1f62-3f5e-4b6c-9f0e-8d1f2c3b4a59';

/** The most the browser may take to answer. */
const ANSWER_SECONDS = 60;

/** Opens a laboratory for a test, or says aloud that there is no Firefox; never in CI. */
export async function openFirefoxOrSkip(options) {
  if (existsSync(FIREFOX)) return openFirefox(options);
  if (process.env.CI) throw new Error(`no browser at ${FIREFOX}`);
  console.log(`SKIPPED: no browser at ${FIREFOX}; set FIREFOX to run this test`);
  return undefined;
}

/** @param {{ policy?: string }} options the policy file, as TOML; the default policy without it */
async function openFirefox({ policy }) {
  const { host, ...parts } = await prepare({ policy });
  const { folder } = parts;
  const environment = { ...parts.environment, HOME: folder };
  const profile = join(folder, '.mozilla/firefox/profile');
  const extension = join(folder, 'extension');
  mkdirSync(profile, { recursive: true });
  const manifest = installExtension(extension);
  const preferences = {
    'extensions.webextensions.uuids': JSON.stringify({
      [manifest.browser_specific_settings.gecko.id]: new URL(ORIGIN).hostname,
    }),
    // Its first-run pages open tabs of their own when they please.
    'browser.aboutwelcome.enabled': false,
    'datareporting.policy.dataSubmissionEnabled': false,
  };
  const lines = Object.entries(preferences).map((entry) => `user_pref(${entry.map((part) => JSON.stringify(part))});\n`);
  writeFileSync(join(profile, 'user.js'), lines.join(''));
  execFileSync(host, ['install', '--browser', 'firefox'], { env: environment, stdio: ['ignore', 'ignore', 'inherit'] });
  const lab = new FirefoxLab({ ...parts, environment, profile });
  try {
    await lab.startBrowser(extension);
  } catch (error) {
    await lab.close();
    throw error;
  }
  return lab;
}

class FirefoxLab extends HostSide {
  /** Starts the browser, loads the extension and opens a page of it, from which tabs are driven. */
  async startBrowser(extension) {
    this.browser = spawn(
      FIREFOX,
      // A page of an add-on is opened by the browser's own code alone.
      ['--headless', '--no-remote', '--profile', this.profile, '--remote-debugging-port=0', '--remote-allow-system-access'],
      { env: this.environment, stdio: 'ignore' },
    );
    const portFile = join(this.profile, 'WebDriverBiDiServer.json');
    this.session = await Session.open(portFile);
    await this.session.send('session.new', { capabilities: {} });
    await this.session.send('webExtension.install', { extensionData: { type: 'path', path: extension } });
    const [{ context: chrome }] = await this.contexts({ 'moz:scope': 'chrome' });
    const open = (url) => void globalThis.gBrowser.addTrustedTab(url, { inBackground: false });
    await this.evaluate(chrome, open, [`${ORIGIN}/${QUIET_PAGE}`]);
    const { context } = await waitFor('a page of the extension', async () => {
      const contexts = await this.contexts({});
      return contexts.find(({ url }) => url === `${ORIGIN}/${QUIET_PAGE}`);
    });
    await waitFor('it is one', () => this.evaluate(context, () => globalThis.chrome?.tabs !== undefined, []));
    this.controller = context;
  }

  /** The process id of the browser. */
  get browserPid() {
    return this.browser.pid;
  }

  async contexts(scope) {
    return (await this.session.send('browsingContext.getTree', { maxDepth: 0, ...scope })).contexts;
  }

  /** Runs a function in a page and returns what it returns. */
  async evaluate(context, body, args) {
    const { result, exceptionDetails } = await this.session.send('script.evaluate', {
      expression: `Promise.resolve((${body})(...${JSON.stringify(args)})).then((value) => JSON.stringify(value ?? null))`,
      target: { context },
      awaitPromise: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.text);
    return JSON.parse(result.value);
  }

  /** Runs a function in the controller page and returns what it returns. */
  async inController(body, ...args) {
    return this.evaluate(this.controller, body, args);
  }

  /** Calls `chrome.NAMESPACE.METHOD(...args)` in the browser. */
  async chrome(path, ...args) {
    const call = (path, args) => {
      const [namespace, method] = path.split('.');
      return globalThis.chrome[namespace][method](...args);
    };
    return this.inController(call, path, args);
  }

  /** Opens a tab and waits until it is loaded. Returns the browser's tab object. */
  async openTab(options) {
    const { id } = await this.chrome('tabs.create', options);
    return waitFor(`tab ${id} is loaded`, async () => {
      const tab = await this.chrome('tabs.get', id);
      return tab.status === 'complete' && tab.url === options.url && tab;
    });
  }

  /** Makes a split view of the tabs at these addresses, which no extension can. */
  async split(...urls) {
    const [{ context: chrome }] = await this.contexts({ 'moz:scope': 'chrome' });
    const split = (urls) => {
      const { gBrowser } = globalThis;
      const at = (url) => gBrowser.tabs.find(({ linkedBrowser }) => linkedBrowser.currentURI.spec === url);
      gBrowser.addTabSplitView(urls.map(at));
    };
    await this.evaluate(chrome, split, [urls]);
  }

  /** Types into the field of the page at an address, as a keyboard does. */
  async type(url, text) {
    const context = await waitFor(`a page at ${url}`, async () => {
      const found = (await this.contexts({})).find((context) => context.url === url);
      return found?.context;
    });
    await this.evaluate(context, () => (globalThis.field ?? document.querySelector('input')).focus(), []);
    const strokes = [...text].flatMap((value) => ['keyDown', 'keyUp'].map((type) => ({ type, value })));
    await this.session.send('input.performActions', { context, actions: [{ type: 'key', id: 'keyboard', actions: strokes }] });
  }

  /** Asks the worker, as a page of the extension does. */
  async ask(question) {
    const reply = await this.chrome('runtime.sendMessage', question);
    if (reply?.error !== undefined) throw new Error(JSON.stringify(reply.error));
    return reply.ok;
  }

  /** Closes the browser and waits until its hosts have sealed the log. */
  async closeBrowser() {
    const all = [this.browserPid, ...this.hostPids()];
    await this.session.send('browser.close');
    await waitFor('browser and host are gone', () => !all.some((pid) => existsSync(`/proc/${pid}/exe`)));
  }

  /** Closes everything and removes its folder, unless LAB_KEEP asks to look at it. */
  async close() {
    this.session?.close();
    this.browser?.kill('SIGKILL');
    await waitFor('the browser is gone', () => !existsSync(`/proc/${this.browserPid}/exe`));
    await this.pages.close();
    if (process.env.LAB_KEEP) console.error(`kept ${this.folder}`);
    else rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A connection over WebDriver BiDi: a question has a number, and the answer has it, too. */
class Session {
  #socket;
  #waiting = new Map();
  #last = 0;

  constructor(socket) {
    this.#socket = socket;
    socket.on('message', (data) => this.#heard(JSON.parse(data)));
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the browser is gone'));
      this.#waiting.clear();
    });
  }

  /** Connects to a browser that is being started, by the file in which it says where it listens. */
  static async open(portFile) {
    const { ws_host, ws_port } = await waitFor('the browser listens', () => {
      return existsSync(portFile) && JSON.parse(readFileSync(portFile, 'utf8'));
    });
    const socket = new WebSocket(`ws://${ws_host}:${ws_port}/session`);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return new Session(socket);
  }

  /** Sends a command and returns its result. */
  send(method, params = {}) {
    const id = (this.#last += 1);
    return new Promise((resolve, reject) => {
      const late = () => this.#heard({ id, type: 'error', error: 'timeout', message: `${method}: no answer` });
      const timer = setTimeout(late, ANSWER_SECONDS * 1000);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  #heard({ id, type, result, error, message }) {
    const asked = this.#waiting.get(id);
    // What happens in the browser is told without a number.
    if (asked === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(asked.timer);
    if (type === 'error') asked.reject(new Error(`${error}: ${message}`));
    else asked.resolve(result);
  }

  close() {
    this.#socket.close();
  }
}
