// The result of a soak as a short page.

/** How much is shown of what went wrong; the JSON has all of it. */
const WRONG_SHOWN = 5;

export function markdownOf({ ok, options, seconds, checks, figures, memory, date, commit, browser, machine }) {
  const { minutes, tabs, seed } = options;
  const command = `npm run soak -- --minutes ${minutes} --tabs ${tabs} --worker-kills ${options['worker-kills']} --host-kills ${options['host-kills']} --seed ${seed}`;
  const rows = checks.map(({ name, count, wrong }) => `| ${name} | ${count} | ${wrong.length} |`);
  const wrong = checks.flatMap(({ name, wrong }) => {
    const shown = wrong.slice(0, WRONG_SHOWN).map((text) => `  - ${text}`);
    return wrong.length > 0 ? [`- ${name}:`, ...shown] : [];
  });
  const { first_bytes, last_bytes, most_bytes, bytes_per_hour } = memory;
  return `${ok ? 'Everything holds.' : 'Something does not hold.'}

\`${command}\`, ${Math.round(seconds / 60)} minutes in all, on ${date} at ${commit}: ${browser}; ${machine}.

| | looked at | wrong |
|---|---:|---:|
${rows.join('\n')}
${wrong.length > 0 ? `\n${wrong.join('\n')}\n` : ''}
${figures.tabs_opened} tabs opened, ${figures.tabs_closed} closed, ${figures.discards} discarded, ${figures.refused} refused at the last moment; ${figures.decisions} decisions.
${figures.worker_kills} workers and ${figures.host_kills} hosts killed; the log resumed ${figures.resumed} times with ${figures.torn_bytes} torn bytes; at most ${figures.waiting_at_most} events waited.
The host's memory: ${mebibytes(first_bytes)} at first, ${mebibytes(last_bytes)} at last, ${mebibytes(most_bytes)} at most, ${mebibytes(bytes_per_hour)} an hour by a straight line.
\`sim verify\`: ${figures.verify}
`;
}

function mebibytes(bytes) {
  return bytes === undefined || Number.isNaN(bytes) ? 'not measured' : `${(bytes / 2 ** 20).toFixed(2)} MiB`;
}
