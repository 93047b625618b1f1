// Records a session of a scripted person in a real Chromium, for the bundled traces.
//
//     npm run record -- NAME FOLDER
//
// NAME is one of the sessions below; FOLDER, new or empty, gets the trace and a page that tells how
// it was made.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { arch, cpus, release, totalmem } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { ROOT } from './lab/binaries.js';
import { CHROMIUM, openLab } from './lab/lab.js';
import { Person } from './lab/person.js';

/**
 * How much memory is left available, in percent, from which minute on. Under the default policy
 * 8.5 percent is MEDIUM and 6 is HIGH. One plan for all, so that sessions can be recorded side by
 * side on one machine.
 */
const AVAILABLE = [
  [0, 60], [4, 8.5], [7, 6], [9, 60], [11.5, 8.5], [14, 60],
  [17, 11], [19, 8], [22, 6], [25, 30], [28, 8.5], [31, 60],
];

/**
 * Each session: its mode and length, how many tabs the person keeps open, and the seed of the
 * person's choices. The person of the long one comes back to old tabs, too.
 */
const SESSIONS = {
  observe: { mode: 'observe', minutes: 10, tabs: 16, seed: 1 },
  enforce: { mode: 'enforce', minutes: 14, tabs: 28, seed: 2 },
  long: { mode: 'enforce', minutes: 34, tabs: 46, seed: 3, forgets: 1.6 },
};

const [name, folder] = process.argv.slice(2);
const session = SESSIONS[name];
const isTaken = folder && existsSync(folder) && readdirSync(folder).length > 0;
if (!session || !folder || isTaken) {
  if (isTaken) console.error(`${folder} is not empty`);
  console.error(`usage: npm run record -- ${Object.keys(SESSIONS).join('|')} FOLDER`);
  process.exit(2);
}
const { mode, minutes, tabs, seed, forgets } = session;

const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: ROOT, encoding: 'utf8' }).trim();
const available = AVAILABLE.filter(([minute]) => minute < minutes);
const lab = await openLab({});
const ballast = spawn('python3', [fileURLToPath(new URL('lab/ballast.py', import.meta.url))], {
  stdio: ['pipe', 'inherit', 'inherit'],
});
const timers = available.map(([minute, percent]) =>
  setTimeout(() => ballast.stdin.write(`${percent}\n`), minute * 60_000),
);
try {
  await lab.setMode(mode);
  await lab.openWindow(lab.pages.url('mail', 'plain/0'));
  const say = (text) => console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);
  await new Person(lab, { seed, tabs, forgets, say }).browse(minutes);
  await lab.closeBrowser();
  keep();
} finally {
  timers.forEach(clearTimeout);
  ballast.stdin.end();
  await lab.close();
}

function keep() {
  mkdirSync(folder, { recursive: true });
  for (const file of readdirSync(lab.traces).filter((file) => /\.jsonl(\.zst)?$/.test(file))) {
    copyFileSync(join(lab.traces, file), join(folder, file));
  }
  const trace = `traces/recorded/${basename(folder)}`;
  const said = (verb) => {
    const { code, stdout, stderr } = lab.runSim(verb, folder);
    assert.equal(code, 0, `sim ${verb} ${folder}: ${stdout}${stderr}`);
    return stdout.trim().replaceAll(folder, trace);
  };
  const chromium = execFileSync(CHROMIUM, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const pressure = available.map(([minute, percent]) => `${percent} % from minute ${minute}`);
  writeFileSync(
    join(folder, 'README.md'),
    `# ${basename(folder)}

A session in a real browser with the real extension and host, in ${mode} mode under the default policy: a scripted person (seed ${seed})
keeps about ${tabs} tabs open over two windows and twelve local hosts for ${minutes} minutes, at human pace${forgets ? ', and comes back to old ones, too' : ''}. No person's data is in it.

Memory was made short for real: a program held as much as left the machine this share available: ${pressure.join(', ')}.

Recorded on ${new Date().toISOString().slice(0, 10)} at commit ${commit} with \`npm run record -- ${name} FOLDER\` in \`extension/\`:
${chromium.trim()}, Linux ${release().split('-')[0]} ${arch()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB.

\`\`\`
$ sim verify ${trace}
${said('verify')}

$ sim info ${trace}
${said('info')}
\`\`\`
`,
  );
}
