// Reads the log that the host writes, while it writes it.

import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { decompress } from 'fzstd';

/** Every whole line of every segment in a folder, in order. */
export function readLog(folder) {
  return segments(folder).flatMap(readSegment);
}

/** Every trace in a folder, in the order in which they were begun: its lines, and a file that names it. */
export function readTraces(folder) {
  const traces = new Map();
  for (const file of segments(folder)) {
    const [, session] = basename(file).split('-');
    const trace = traces.get(session) ?? { file, lines: [] };
    trace.lines.push(...readSegment(file));
    traces.set(session, trace);
  }
  return [...traces.values()];
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

/** The segments in a folder, in order. */
export function segments(folder) {
  return readdirSync(folder)
    .filter((name) => /\.jsonl(\.zst)?$/.test(name))
    .sort()
    .map((name) => join(folder, name));
}
