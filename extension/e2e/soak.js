// A soak: a person browses in a real Chromium while the service worker and the host are killed
// again and again, and at the end the log must hold everything that was promised.
//
//     npm run --silent soak -- --minutes 60 --tabs 150 --worker-kills 30 --host-kills 30 --seed 1
//
// The report goes to stdout, as Markdown or with --json as JSON; --output FOLDER keeps both. What
// happens meanwhile is told on stderr. Exits with 1 if anything does not hold, and keeps the lab's
// folder then.

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { arch, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { kill } from 'node:process';
import { parseArgs } from 'node:util';

import { ROOT } from './lab/binaries.js';
import { Bursts } from './lab/burst.js';
import { acknowledged, judge } from './lab/judge.js';
import { CHROMIUM, SHORT_TIMES, openLab, waitFor } from './lab/lab.js';
import { Person } from './lab/person.js';
import { residentBytes } from './lab/processes.js';
import { generator } from './lab/random.js';
import { markdownOf } from './lab/soak-report.js';
import { Witness } from './lab/witness.js';

// No tab is kept for long: as many discards as the policy's own limits allow.
const POLICY = `
ttl_minutes = 1
ttl_clock = "awake"${SHORT_TIMES}`;

/** Seven light pages to one that holds memory: other work shares the machine for an hour. */
const PAGES = [...Array(7).fill('plain'), 'heavy/20'];

/** The site of the tabs that stay guarded: the person leaves them alone. */
const GUARDED = 'guarded';

/** Kills fall into this part of the time. */
const KILLS_FROM = 0.1;
const KILLS_UNTIL = 0.97;

/** How long a worker or a host may be away before it is killed again. A retry waits 5 min at most. */
const AWAY_SECONDS = 330;

/** The time that is left for opening, recovering, closing and judging. */
const SPARE_MINUTES = 15;

/**
 * What the host may grow by over the run, by a straight line through its samples: a tenth, or what
 * its allocator may keep.
 */
const FLAT_SHARE = 0.1;
const FLAT_BYTES = 2 << 20;

const say = (text) => console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);

/** The command line, or a word on what is wrong with it and the end. */
function optionsFrom(args) {
  const numbers = { minutes: 60, tabs: 150, 'worker-kills': 30, 'host-kills': 30, seed: 1 };
  const options = Object.fromEntries(
    Object.entries(numbers).map(([name, value]) => [name, { type: 'string', default: String(value) }]),
  );
  try {
    const { values } = parseArgs({ args, options: { ...options, json: { type: 'boolean' }, output: { type: 'string' } } });
    for (const name of Object.keys(numbers)) {
      const value = Number(values[name]);
      const isFine = name === 'minutes' ? value > 0 : Number.isSafeInteger(value) && value >= 0;
      if (!isFine) throw new Error(`--${name}: found ${values[name]}, expected a number`);
      values[name] = value;
    }
    return values;
  } catch (error) {
    const all = Object.entries(numbers).map(([name, value]) => `--${name} ${value}`);
    console.error(`${error.message}\nusage: npm run soak -- ${all.join(' ')} [--json] [--output FOLDER]`);
    process.exit(2);
  }
}

class Soak {
  constructor(lab, options) {
    this.lab = lab;
    this.options = options;
    this.witness = new Witness(lab);
    this.random = generator(options.seed);
    this.stores = [];
    this.memory = [];
    this.kills = { worker: 0, host: 0 };
  }

  async run() {
    const { minutes, tabs, seed } = this.options;
    // The tree may be another one when an hour is over.
    this.environment = environment();
    await this.lab.setMode('enforce');
    const { policy } = this.lab.log().find((line) => line.type === 'policy_changed');
    if (policy.cooldown_seconds !== 10) throw new Error('the host did not take the policy');
    await this.lab.leavePopup();
    await this.witness.listen();
    await this.openGuarded();
    await this.lab.openWindow(this.lab.pages.url('mail', 'plain/0'));

    this.began = Date.now();
    this.ends = this.began + minutes * 60_000;
    // Settling in takes no more than a seventh of the time.
    const pace = Math.max(6, (0.8 * tabs * 3) / ((minutes * 60) / 7));
    const person = new Person(this.lab, { seed, tabs, pace, pages: PAGES, leaves: [GUARDED] });
    say(`a person browses for ${minutes} minutes at ${pace.toFixed(1)} times human pace`);
    await Promise.all([person.browse(minutes), this.killAll(), this.lookOften()]);
    await this.recover();
    return this.finish();
  }

  /** Tabs of every kind that must never go, whatever the pressure. */
  async openGuarded() {
    const url = (path) => this.lab.pages.url(GUARDED, path);
    for (const path of ['plain/1', 'plain/2', 'plain/3']) {
      await this.lab.openTab({ url: url(path), active: false, pinned: true });
    }
    for (const path of ['sound/1', 'sound/2']) {
      const tab = await this.lab.openTab({ url: url(path) });
      await waitFor('the sound is heard', async () => (await this.lab.chrome('tabs.get', tab.id)).audible);
    }
    for (const path of ['form/1', 'form/2']) {
      this.witness.touches(url(path));
      await this.lab.openTab({ url: url(path) });
      await this.lab.type(url(path), 'half a name');
    }
    const known = (log) => new Set(log.filter((line) => line.type === 'tab_changed' && line.unsaved).map(({ tab }) => tab));
    await this.lab.waitForLog('the touched forms are in the log', (log) => known(log).size === 2);
  }

  /** Kills workers and hosts at random moments; every second kill falls into a burst of events. */
  async killAll() {
    const span = this.ends - this.began;
    const plan = ['worker', 'host']
      .flatMap((what) => Array(this.options[`${what}-kills`]).fill(what))
      .map((what) => {
        const at = this.began + span * (KILLS_FROM + (KILLS_UNTIL - KILLS_FROM) * this.random());
        return { what, at, inBurst: this.random() < 0.5, after_ms: Math.floor(300 * this.random()) };
      })
      .sort((a, b) => a.at - b.at);
    const bursts = new Bursts(this.lab);
    for (const { what, at, inBurst, after_ms } of plan) {
      await rest(at - Date.now());
      const burst = inBurst ? bursts.burst() : undefined;
      if (inBurst) await rest(after_ms);
      await this.kill(what);
      this.kills[what] += 1;
      say(`killed the ${what}${inBurst ? ` ${after_ms} ms into a burst` : ''} (${this.kills.worker} + ${this.kills.host})`);
      await burst;
      await this.look();
    }
  }

  async kill(what) {
    if (what === 'worker') {
      await waitFor('there is a worker to stop', () => this.lab.stopWorker(), AWAY_SECONDS);
      return;
    }
    // The host of a worker that was stopped lives for a moment more: the newest is the one at work.
    const pid = await waitFor('there is a host to kill', () => this.lab.hostPids().at(-1), AWAY_SECONDS);
    try {
      kill(pid, 'SIGKILL');
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  }

  /** What the store holds, then what the log holds, and what the witness has heard. */
  async look() {
    this.stores.push(acknowledged(await this.lab.stored(), this.lab.log()));
    await this.witness.hear();
    if (!this.lab.isBrowserAlive) throw new Error('the browser is gone');
  }

  /** Looks, and takes the host's memory, each minute, or twenty times in a short run. */
  async lookOften() {
    const every = Math.min(60_000, (this.ends - this.began) / 20);
    while (Date.now() < this.ends) {
      await rest(Math.min(every, this.ends - Date.now()));
      await this.look();
      const [pid] = this.lab.hostPids().slice(-1);
      const bytes = pid === undefined ? null : residentBytes(pid);
      // Just killed: the next sample is as good.
      if (bytes !== null) this.memory.push({ t_s: Math.round((Date.now() - this.began) / 1000), pid, bytes });
      const { closed, discards, tabs } = this.witness;
      const host = bytes === null ? 'no host' : `host ${(bytes / 2 ** 20).toFixed(1)} MiB`;
      say(`${tabs.size} tabs open, ${closed.length} closed, ${discards.length} discards, ${host}`);
    }
  }

  /** Waits until all that happened is in the log. */
  async recover() {
    say('waiting until everything is in the log');
    await this.lab.waitUntilLogged(AWAY_SECONDS).catch((error) => say(`${error.message}; judged as it is`));
    await this.look();
  }

  /** Closes the browser and judges what is left. */
  async finish() {
    const open = (await this.lab.chrome('tabs.query', {})).map(({ id }) => id);
    const heard = await this.lab.heard();
    await this.lab.closeBrowser();
    const log = this.lab.log();
    const verified = this.lab.runSim('verify', this.lab.traces);
    const checks = [
      ...judge(log, { open, witness: this.witness, stores: this.stores, heard, stops: this.lab.stops }),
      this.isOneSealedTrace(log),
      replays(verified),
      this.killsAreDone(),
      this.memoryIsFlat(),
    ];
    return {
      ok: checks.every(({ wrong }) => wrong.length === 0),
      options: this.options,
      seconds: Math.round((Date.now() - this.began) / 1000),
      checks,
      figures: this.figures(log, verified),
      memory: { ...this.trend(), samples: this.memory },
      ...this.environment,
    };
  }

  isOneSealedTrace(log) {
    const sessions = new Set(log.filter((line) => line.type === 'log_opened').map(({ session }) => session));
    const wrong = [];
    if (sessions.size !== 1) wrong.push(`${sessions.size} traces`);
    if (log.at(-1)?.type !== 'log_closed') wrong.push(`the last line is ${log.at(-1)?.type}`);
    return { name: 'it is one trace, and sealed', count: log.length, wrong };
  }

  killsAreDone() {
    const wrong = Object.entries(this.kills)
      .filter(([what, count]) => count !== this.options[`${what}-kills`])
      .map(([what, count]) => `${count} ${what} kills`);
    return { name: 'the browser lived through every kill', count: this.kills.worker + this.kills.host, wrong };
  }

  /** A straight line through the samples, without those while the tabs were being opened. */
  trend() {
    const settled = this.memory.filter(({ t_s }) => t_s >= 0.2 * this.options.minutes * 60);
    const mean = (of) => settled.reduce((sum, sample) => sum + of(sample), 0) / settled.length;
    const [t, bytes] = [mean((sample) => sample.t_s), mean((sample) => sample.bytes)];
    const spread = mean((sample) => (sample.t_s - t) ** 2);
    const slope = mean((sample) => (sample.t_s - t) * (sample.bytes - bytes)) / spread;
    const [first, last] = [settled[0], settled.at(-1)];
    return {
      first_bytes: first?.bytes,
      last_bytes: last?.bytes,
      mean_bytes: Math.round(bytes),
      most_bytes: Math.max(...settled.map((sample) => sample.bytes)),
      bytes_per_hour: Math.round(slope * 3600),
      growth_bytes: Math.round(slope * (last?.t_s - first?.t_s)),
    };
  }

  memoryIsFlat() {
    const { growth_bytes, mean_bytes } = this.trend();
    const limit = Math.max(FLAT_SHARE * mean_bytes, FLAT_BYTES);
    // Written so that too few samples, which give no number, are no success.
    const wrong = growth_bytes <= limit ? [] : [`${growth_bytes} bytes of growth, at most ${Math.round(limit)} expected`];
    return { name: 'the memory of the host is flat', count: this.memory.length, wrong };
  }

  figures(log, { stdout }) {
    const count = (isIt) => log.filter(isIt).length;
    return {
      tabs_opened: this.witness.opened.size,
      tabs_closed: this.witness.closed.length,
      discards: this.witness.discards.length,
      discards_in_log: count((line) => line.type === 'tab_discarded'),
      refused: count((line) => line.type === 'discard_outcome' && !line.ok),
      decisions: count((line) => line.type === 'decision'),
      worker_kills: this.kills.worker,
      host_kills: this.kills.host,
      resumed: count((line) => line.type === 'log_resumed'),
      torn_bytes: log.reduce((sum, line) => sum + (line.torn_bytes ?? 0), 0),
      events: count((line) => line.src === 'ext'),
      lines: log.length,
      looks: this.stores.length,
      waiting_at_most: Math.max(0, ...this.stores.map(({ kept }) => kept.size)),
      verify: stdout.trim().split('\n').at(-1).replace(`${this.lab.traces}: `, ''),
    };
  }
}

function replays({ code, stdout, stderr }) {
  const [, equal, all] = /(\d+) of (\d+) decisions equal/.exec(stdout) ?? [];
  const isFine = code === 0 && equal === all && Number(all) > 0;
  const wrong = isFine ? [] : [`exit code ${code}: ${stdout}${stderr}`.trim()];
  return { name: 'every decision replays to the same', count: Number(all ?? 0), wrong };
}

function environment() {
  const output = (command, ...args) =>
    execFileSync(command, args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: output('git', 'rev-parse', '--short', 'HEAD'),
    browser: output(CHROMIUM, '--version'),
    machine: `Linux ${release().split('-')[0]} ${arch()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
  };
}

function rest(ms) {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}

/** Fails when the time is over or somebody asks for the end. */
function interruption(minutes) {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error('the time is over')), (minutes + SPARE_MINUTES) * 60_000);
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => reject(new Error(signal)));
  });
}

const options = optionsFrom(process.argv.slice(2));
const interrupted = interruption(options.minutes);
interrupted.catch(() => {});
say('building the host and opening the browser');
const lab = await openLab({ policy: POLICY, ear: true });
let code = 1;
try {
  const result = await Promise.race([new Soak(lab, options).run(), interrupted]);
  const markdown = markdownOf(result);
  const json = JSON.stringify(result, null, 2);
  if (options.output) {
    mkdirSync(options.output, { recursive: true });
    writeFileSync(join(options.output, 'soak.json'), `${json}\n`);
    writeFileSync(join(options.output, 'soak.md'), markdown);
  }
  process.stdout.write(options.json ? `${json}\n` : markdown);
  code = result.ok ? 0 : 1;
} catch (error) {
  say(error.stack);
}
lab.keepFolder = code !== 0;
await lab.close().catch((error) => say(error.stack));
// Whatever still waits for its turn is of a run that is over.
process.exit(code);
