// Reads the log that the host writes, while it writes it.

import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { decompress } from 'fzstd';

/** Every whole line of every segment in a folder, in order. */
export function readLog(folder) {
  return readSegments(folder).flatMap(({ lines }) => lines);
}

/** Every trace in a folder, in the order in which they were begun: its lines, and a file that names it. */
export function readTraces(folder) {
  const traces = new Map();
  for (const { file, lines } of readSegments(folder)) {
    const [, session] = basename(file).split('-');
    const trace = traces.get(session) ?? { file, lines: [] };
    trace.lines.push(...lines);
    traces.set(session, trace);
  }
  return [...traces.values()];
}

/** What a log last told of a tab, but for snapshots. */
export function lastTold(log, id, member) {
  return log.findLast((line) => line.tab === id && line[member] !== undefined)?.[member];
}

/** Reads all segments of a folder; once more where the host compresses one between two looks. */
function readSegments(folder, attempts = 10) {
  try {
    return segments(folder).map((file) => ({ file, lines: readSegment(file) }));
  } catch (error) {
    if (error.code !== 'ENOENT' || attempts <= 1) throw error;
    return readSegments(folder, attempts - 1);
  }
}

function readSegment(file) {
  const bytes = readFileSync(file);
  const text = file.endsWith('.zst') ? new TextDecoder().decode(decompress(bytes)) : bytes.toString();
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

/** The segments in a folder, in order. Where a plain and a compressed one stand, the plain one is read. */
export function segments(folder) {
  const names = readdirSync(folder).filter((name) => /\.jsonl(\.zst)?$/.test(name));
  return names
    .filter((name) => !name.endsWith('.zst') || !names.includes(name.slice(0, -'.zst'.length)))
    .sort()
    .map((name) => join(folder, name));
}
