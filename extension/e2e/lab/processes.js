// The browser's processes as the kernel sees them. Read here apart from the host, so that the
// test does not take the host's word for what was freed.

import { readFileSync, readdirSync } from 'node:fs';

/** Every process below `root`, itself too, with its parent and its command line. */
export function processTree(root) {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .flatMap((pid) => {
      const stat = read(`/proc/${pid}/stat`);
      const command = read(`/proc/${pid}/cmdline`);
      if (stat === null || command === null) return [];
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      return [{ pid, parent, command: command.replaceAll('\0', ' ').trim() }];
    });
  const tree = all.filter((process) => process.pid === root);
  for (const process of tree) tree.push(...all.filter((child) => child.parent === process.pid));
  return tree;
}

/** The proportional memory of a process tree, in bytes. */
export function proportionalBytes(root) {
  return processTree(root).reduce((sum, { pid }) => {
    const rollup = read(`/proc/${pid}/smaps_rollup`) ?? '';
    return sum + 1024 * Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0);
  }, 0);
}

/** The memory that a process holds, in bytes, or null when it is gone. */
export function residentBytes(pid) {
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? '');
  return resident && 1024 * Number(resident[1]);
}

/** Reads a file of a process, or null when the process is gone. */
function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(error.code)) return null;
    throw error;
  }
}
