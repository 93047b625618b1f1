// Reads the log that the host writes, while it writes it.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { decompress } from 'fzstd';

/** Every whole line of every segment in a folder, in order. */
export function readLog(folder) {
  return segments(folder).flatMap((segment) => {
    const bytes = readFileSync(segment);
    const text = segment.endsWith('.zst') ? new TextDecoder().decode(decompress(bytes)) : bytes.toString();
    return text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  });
}

/** The segments in a folder, in order. */
export function segments(folder) {
  return readdirSync(folder)
    .filter((name) => /\.jsonl(\.zst)?$/.test(name))
    .sort()
    .map((name) => join(folder, name));
}
