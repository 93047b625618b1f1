// Builds the host and `sim` as they are now, and says where they are.

import { execFileSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));

/** Returns the paths of the release binaries by name. */
export function buildBinaries() {
  const output = execFileSync(
    'cargo',
    ['build', '--release', '--quiet', '--message-format=json', '-p', 'native-host', '-p', 'simulator'],
    { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 << 20, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const found = output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .filter((message) => message.reason === 'compiler-artifact' && message.executable)
    .map((message) => [message.target.name, message.executable]);
  const { 'tab-orchestrator-host': host, sim } = Object.fromEntries(found);
  if (!host || !sim) throw new Error('cargo built no host or no sim');
  return { host, sim };
}
