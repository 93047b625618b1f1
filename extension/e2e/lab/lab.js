// A laboratory: a real Chromium with the real extension and the real host, in folders of its own.

import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import CDP from 'chrome-remote-interface';

import { ROOT, buildBinaries } from './binaries.js';
import { openInLog, waitingIn } from './judge.js';
import { readLog, readTraces } from './log.js';
import { servePages } from './pages.js';
import { processTree } from './processes.js';

/** Where the browser is: Debian's Chromium, unless CHROMIUM names another. */
export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** A page of the extension that asks the worker nothing, and so does not wake it. */
export const QUIET_PAGE = 'lab.html';

/**
 * An ear beside the extension's own, in the same worker: it asks the browser at once to store the id
 * of a tab that opens, and does nothing else. What it could not store, no listener could.
 */
const EAR = 'ear:';
const EAR_SCRIPT = `
import './worker.js';
chrome.tabs.onCreated.addListener(({ id }) => chrome.storage.session.set({ ['${EAR}' + id]: true }));
`;

/** The most a call into a page may take. A page that hangs must not hang the run. */
const CALL_SECONDS = 60;

/** Whether there is a browser to test with. */
const hasBrowser = () => existsSync(CHROMIUM);

/** The end of a policy under which any real reading of this machine counts as HIGH. */
export const ALWAYS_HIGH = `
[pressure]
used_from_percent = 0
used_full_percent = 0.5
medium_score = 1
high_score = 2
`;

/** The end of a policy whose times are as short as they may be. `ttl_minutes` is the caller's. */
export const SHORT_TIMES = `
familiarity_cap = 1
cooldown_seconds = 10
batch_high = 4

[focus]
out_ttl_minutes = 1
cluster_minutes = 1
${ALWAYS_HIGH}`;

/**
 * Opens a laboratory for a test, or says aloud that there is no browser to test with. Never in CI:
 * a suite without its browser has tested nothing.
 */
export async function openLabOrSkip(options) {
  if (hasBrowser()) return openLab(options);
  if (process.env.CI) throw new Error(`no browser at ${CHROMIUM}`);
  console.log(`SKIPPED: no browser at ${CHROMIUM}; set CHROMIUM to run this test`);
  return undefined;
}

/**
 * Opens a laboratory.
 *
 * @param {object} options
 * @param {string} [options.policy] the policy file, as TOML; the default policy without it
 * @param {boolean} [options.ear] whether there is an ear in the worker, for `heard`
 * @param {boolean} [options.probe] whether the worker notes how long it waits for orders
 */
export async function openLab({ policy, ear = false, probe = false }) {
  const { host, ...parts } = await prepare({ policy });
  const { folder, environment } = parts;
  const profile = join(folder, 'profile');
  const extension = join(folder, 'extension');
  mkdirSync(profile);
  const { key } = installExtension(extension, { ear });
  if (probe) installProbe(extension);
  execFileSync(host, ['install', '--user-data-dir', profile], {
    env: environment,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const setup = { profile, extension, environment };
  const lab = new Lab({ ...parts, id: extensionId(key), setup });
  try {
    await lab.startBrowser();
  } catch (error) {
    await lab.close();
    throw error;
  }
  return lab;
}

/** Makes what every browser's laboratory has: folders of its own, the binaries, the policy, pages. */
export async function prepare({ policy }) {
  const folder = mkdtempSync(join(tmpdir(), 'tab-orchestrator-'));
  const config = join(folder, 'config');
  const state = join(folder, 'state');
  const environment = {
    ...process.env,
    XDG_CONFIG_HOME: config,
    XDG_STATE_HOME: state,
    XDG_CACHE_HOME: join(folder, 'cache'),
  };
  // Copies, so that a build in the meantime does not change what a long session runs.
  const { host, sim } = copies(folder, buildBinaries());
  const policyFile = join(config, 'tab-orchestrator', 'policy.toml');
  if (policy !== undefined) {
    mkdirSync(join(config, 'tab-orchestrator'), { recursive: true, mode: 0o700 });
    writeFileSync(policyFile, policy, { mode: 0o600 });
  }
  return { folder, state, environment, host, sim, policyFile, pages: await servePages() };
}

function copies(folder, binaries) {
  const copy = ([name, path]) => {
    const target = join(folder, basename(path));
    copyFileSync(path, target);
    return [name, target];
  };
  return Object.fromEntries(Object.entries(binaries).map(copy));
}

/**
 * Copies the extension and grants it what a user grants with a click: to see that forms are
 * touched. The prompt for it is the browser's own, and no test can click there.
 */
export function installExtension(target, { ear = false } = {}) {
  const source = join(ROOT, 'extension');
  for (const name of readdirSync(source)) {
    if (['node_modules', 'test', 'e2e'].includes(name)) continue;
    cpSync(join(source, name), join(target, name), { recursive: true });
  }
  writeFileSync(join(target, QUIET_PAGE), '<!doctype html><title>Lab</title>');
  const path = join(target, 'manifest.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8'));
  manifest.host_permissions = manifest.optional_host_permissions;
  delete manifest.optional_host_permissions;
  if (ear) {
    manifest.background.service_worker = 'background/ear.js';
    writeFileSync(join(target, 'background/ear.js'), EAR_SCRIPT);
  }
  writeFileSync(path, JSON.stringify(manifest));
  return manifest;
}

/** Puts the probe before everything else in the worker of a copy of the extension. */
function installProbe(extension) {
  copyFileSync(fileURLToPath(new URL('probe.js', import.meta.url)), join(extension, 'background', 'probe.js'));
  const worker = join(extension, 'background', 'worker.js');
  writeFileSync(worker, `import './probe.js';\n${readFileSync(worker, 'utf8')}`);
}

/** The id that Chromium derives from a manifest's key. */
function extensionId(key) {
  const digest = execFileSync('sha256sum', { input: Buffer.from(key, 'base64'), encoding: 'utf8' });
  return [...digest.slice(0, 32)].map((digit) => 'abcdefghijklmnop'[Number.parseInt(digit, 16)]).join('');
}

/**
 * Starts the browser and returns its process and its debugging port.
 *
 * It is driven over plain CDP, one target at a time. A driver that attaches itself to every target
 * will not do: a debugger keeps a worker alive, and a discarded page's process with its memory.
 */
async function launch({ profile, extension, environment }) {
  // A browser that was killed leaves the port it had.
  const portFile = join(profile, 'DevToolsActivePort');
  rmSync(portFile, { force: true });
  const process = spawn(
    CHROMIUM,
    [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--autoplay-policy=no-user-gesture-required',
      `--user-data-dir=${profile}`,
      `--load-extension=${extension}`,
      '--remote-debugging-port=0',
      'about:blank',
    ],
    { env: environment, stdio: 'ignore' },
  );
  try {
    const port = await waitFor('the browser listens', () => {
      return existsSync(portFile) && Number(readFileSync(portFile, 'utf8').split('\n')[0]);
    });
    return { process, port };
  } catch (error) {
    process.kill('SIGKILL');
    throw error;
  }
}

/** What every browser's laboratory has: the host's side of it, and how that is waited for. */
export class HostSide {
  constructor(parts) {
    Object.assign(this, parts);
  }

  /** The folder of the traces. */
  get traces() {
    return join(this.state, 'tab-orchestrator', 'traces');
  }

  /** Every line of the log so far. */
  log() {
    return existsSync(this.traces) ? readLog(this.traces) : [];
  }

  /** Waits until the log satisfies a condition, and returns what that returned. */
  async waitForLog(what, condition, seconds = 30) {
    return waitFor(what, () => condition(this.log()), seconds);
  }

  /** Every trace so far, in the order in which they were begun: its lines, and a file that names it. */
  logs() {
    return existsSync(this.traces) ? readTraces(this.traces) : [];
  }

  /** The process ids of the hosts that the browser runs. */
  hostPids() {
    return processTree(this.browserPid)
      .filter(({ command }) => command.includes('tab-orchestrator-host'))
      .map(({ pid }) => pid);
  }

  /** Whether the browser does in order what it is asked to store, though nobody waits in between. */
  async storesInOrder() {
    return this.inController(async () => {
      const { session } = globalThis.chrome.storage;
      const writes = Array.from({ length: 500 }, (_, index) => session.set({ order: index }));
      writes.push(session.remove(['order']), session.set({ order: 'last' }));
      await Promise.all(writes);
      const { order } = await session.get('order');
      await session.remove('order');
      return order === 'last';
    });
  }

  /** Runs `sim` and returns its exit code and what it printed. */
  runSim(...args) {
    try {
      const stdout = execFileSync(this.sim, args, { encoding: 'utf8', maxBuffer: 256 << 20 });
      return { code: 0, stdout, stderr: '' };
    } catch (error) {
      return { code: error.status, stdout: error.stdout, stderr: error.stderr };
    }
  }
}

class Lab extends HostSide {
  /** When a worker was being stopped: from before it was asked for until it was done. */
  stops = [];

  /** Starts the browser, on the profile that it had if it ran before. */
  async startBrowser() {
    this.browser = await launch(this.setup);
    this.controller = await this.openControllerPage();
  }

  /** What the extension has stored for as long as the browser runs. */
  async stored() {
    return this.inController(() => globalThis.chrome.storage.session.get(null));
  }

  /** The ids of tabs that the ear in the worker was told of, and could store. */
  async heard() {
    const keys = Object.keys(await this.stored()).filter((key) => key.startsWith(EAR));
    return new Set(keys.map((key) => Number(key.slice(EAR.length))));
  }

  /** Waits until the last trace has everything that happened. Nudges the worker meanwhile. */
  async waitUntilLogged(seconds) {
    await waitFor(
      'everything is in the log',
      async () => {
        await this.inController(() => globalThis.chrome.runtime.sendMessage({ ask: 'view' }));
        if (waitingIn(await this.stored()).size > 0) return false;
        const open = (await this.chrome('tabs.query', {})).map(({ id }) => id);
        const inLog = openInLog(this.logs().at(-1)?.lines ?? []);
        return open.length === inLog.size && open.every((id) => inLog.has(id));
      },
      seconds,
    );
  }

  /** The process id of the browser. */
  get browserPid() {
    return this.browser.process.pid;
  }

  /** Whether the browser runs. */
  get isBrowserAlive() {
    return this.browser !== undefined && existsSync(`/proc/${this.browserPid}/exe`);
  }

  /** Opens an extension page in a tab: from it the test drives the browser's own tab API. */
  async openControllerPage() {
    const target = await this.target((target) => target.url === 'about:blank');
    const controller = await CDP({ port: this.browser.port, target });
    await controller.Page.enable();
    await navigate(controller, `chrome-extension://${this.id}/pages/popup.html`);
    return controller;
  }

  /** Leaves the popup, which asks the worker every other second, for a page that asks nothing. */
  async leavePopup() {
    await this.goTo(QUIET_PAGE);
  }

  /** Shows another page of the extension in the controller's tab. */
  async goTo(page) {
    await navigate(this.controller, `chrome-extension://${this.id}/${page}`);
  }

  /** Waits for a page that is open. */
  async target(isIt) {
    return waitFor('a page to attach to', async () => {
      const targets = await CDP.List({ port: this.browser.port });
      return targets.find((target) => target.type === 'page' && isIt(target));
    });
  }

  /** Runs a function in the controller page and returns what it returns. */
  async inController(body, ...args) {
    return evaluate(this.controller, body, args);
  }

  /** Calls `chrome.NAMESPACE.METHOD(...args)` in the browser. */
  async chrome(path, ...args) {
    const call = (path, args) => {
      const [namespace, method] = path.split('.');
      const api = globalThis.chrome[namespace];
      if (api?.[method] === undefined) {
        const { brands } = navigator.userAgentData;
        const browser = brands.map(({ brand, version }) => `${brand} ${version}`).join(', ');
        throw new Error(`chrome.${path} is newer than this browser (${browser}): update it`);
      }
      return api[method](...args);
    };
    return this.inController(call, path, args);
  }

  /** Types into the field of the page at an address, as a keyboard does. */
  async type(url, text) {
    await this.inPage(url, async (client) => {
      await evaluate(client, () => (globalThis.field ?? document.querySelector('input')).focus(), []);
      await client.Input.insertText({ text });
    });
  }

  /** Does something with a connection to the page at an address, which is closed after it. */
  async inPage(url, job) {
    const target = await this.target((target) => target.url === url);
    const client = await CDP({ port: this.browser.port, target });
    try {
      return await inTime(`the page at ${url} answers`, job(client));
    } finally {
      await client.close();
    }
  }

  /** Runs a function in the page at an address and returns what it returns. */
  async evaluate(url, body, ...args) {
    return this.inPage(url, (client) => evaluate(client, body, args));
  }

  /**
   * Ends the extension and begins it anew, as an update does, or as a person who switches it off and
   * on. Its pages are closed by that, and with them the controller.
   *
   * @param {'updated' | 'switched off and on'} how
   */
  async restartExtension(how) {
    const page = 'chrome://extensions/';
    const traces = this.logs().length;
    await this.withBrowser((browser) => browser.Target.createTarget({ url: page }));
    const restart = async (id, how) => {
      if (how === 'updated') {
        await globalThis.chrome.developerPrivate.updateProfileConfiguration({ inDeveloperMode: true });
        await globalThis.chrome.developerPrivate.reload(id, { failQuietly: true });
      } else {
        for (const isOn of [false, true]) await globalThis.chrome.management.setEnabled(id, isOn);
      }
    };
    await this.evaluate(page, restart, this.id, how);
    await waitFor('the extension has a session of its own', () => this.logs().length > traces);
  }

  /** Switches between observing and enforcing, as a person does: in the popup. */
  async setMode(mode) {
    const choice = `#mode input[value=${mode}]`;
    await waitFor('the popup shows the mode', () =>
      this.inController((choice) => document.querySelector(choice)?.checkVisibility(), choice),
    );
    await this.inController((choice) => document.querySelector(choice).click(), choice);
    await this.waitForLog(`the mode is ${mode}`, (log) => {
      const changes = log.filter((line) => line.type === 'mode_changed');
      return changes.at(-1)?.mode === mode;
    });
  }

  /**
   * Opens a second window. It does not take the focus: a headless browser has no way to give it
   * back, and the window without it counts as hidden and loads nothing.
   */
  async openWindow(url) {
    const window = await this.chrome('windows.create', { url, focused: false });
    return { id: window.id, tab: await this.loaded(window.tabs[0].id) };
  }

  /** Opens a tab and waits until it is loaded. Returns the browser's tab object. */
  async openTab(options) {
    const tab = await this.chrome('tabs.create', options);
    return this.loaded(tab.id);
  }

  /** Waits until a tab is loaded. */
  async loaded(id) {
    return waitFor(`tab ${id} is loaded`, async () => {
      const tab = await this.chrome('tabs.get', id);
      return tab.status === 'complete' && tab;
    });
  }

  /**
   * Stops the service worker, as the browser does when it idles or fails. Returns whether there was
   * one.
   */
  async stopWorker() {
    return this.withBrowser(async (browser) => {
      const { targetInfos } = await browser.Target.getTargets({ filter: [{}] });
      const worker = targetInfos.find(
        ({ type, url }) => type === 'service_worker' && url.startsWith(`chrome-extension://${this.id}/`),
      );
      if (!worker) return false;
      const from_ms = Date.now();
      await browser.Target.closeTarget({ targetId: worker.targetId });
      this.stops.push({ from_ms, until_ms: Date.now() });
      return true;
    });
  }

  /** Does something with a connection to the browser itself, which is closed after it. */
  async withBrowser(job) {
    const { webSocketDebuggerUrl } = await CDP.Version({ port: this.browser.port });
    const browser = await CDP({ target: webSocketDebuggerUrl });
    try {
      return await inTime('the browser answers', job(browser));
    } finally {
      await browser.close();
    }
  }

  /** Closes the browser and waits until its hosts have sealed the log. */
  async closeBrowser() {
    const all = [this.browserPid, ...this.hostPids()];
    await this.withBrowser((browser) => browser.Browser.close());
    await waitUntilGone(all);
  }

  /**
   * Kills the browser as a crash does: nobody is told, and only the end of its pipes tells the
   * hosts. Waits until they, too, are gone.
   */
  async killBrowser() {
    const hosts = this.hostPids();
    const below = processTree(this.browserPid).map(({ pid }) => pid).filter((pid) => !hosts.includes(pid));
    this.browser.process.kill('SIGKILL');
    await waitUntilGone([...below, ...hosts]);
  }

  /** Closes everything and removes its folder, unless LAB_KEEP or `keepFolder` asks to look at it. */
  async close() {
    try {
      if (this.isBrowserAlive) await this.closeBrowser();
    } catch (error) {
      if (this.isBrowserAlive) await this.killBrowser();
      throw error;
    } finally {
      // A server that stays open keeps the whole run alive.
      await this.pages.close();
      if (process.env.LAB_KEEP || this.keepFolder) console.error(`kept ${this.folder}`);
      else rmSync(this.folder, { recursive: true, force: true });
    }
  }
}

async function navigate(client, url) {
  const loaded = client.Page.loadEventFired();
  await client.Page.navigate({ url });
  await inTime(`${url} is loaded`, loaded);
}

async function waitUntilGone(pids) {
  await waitFor('browser and host are gone', () => !pids.some((pid) => existsSync(`/proc/${pid}/exe`)));
}

/**
 * Gives a promise a limit of time.
 *
 * @template T
 * @param {string} what
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
async function inTime(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    const fail = () => reject(new Error(`waited ${CALL_SECONDS} s in vain: ${what}`));
    timer = setTimeout(fail, CALL_SECONDS * 1000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs a function in a page and returns what it returns. */
async function evaluate(client, body, args) {
  const expression = `(${body})(...${JSON.stringify(args)})`;
  const { result, exceptionDetails } = await inTime(
    'a page answers',
    client.Runtime.evaluate({ expression, awaitPromise: true, returnByValue: true }),
  );
  if (exceptionDetails) {
    throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  }
  return result.value;
}

/**
 * Waits until a condition gives something, and returns that.
 *
 * @template T
 * @param {string} what
 * @param {() => T | Promise<T>} condition
 */
export async function waitFor(what, condition, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
