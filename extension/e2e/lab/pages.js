// Local pages for a real browser to show: plain ones, heavy ones, one that sounds, some to write in.
//
// Every `*.localhost` name resolves to this machine, so one server makes many hosts.

import { createServer } from 'node:http';

const TONE = tone({ seconds: 2, hertz: 440, rate: 8000 });

/** Starts the server on a free port of 127.0.0.1. */
export async function servePages() {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const [kind, argument] = url.pathname.slice(1).split('/');
    if (kind === 'tone.wav') {
      response.writeHead(200, { 'content-type': 'audio/wav', 'content-length': TONE.length });
      response.end(TONE);
      return;
    }
    const body = BODIES[kind];
    if (!body) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    const site = (request.headers.host ?? '').split('.')[0];
    response.end(`<!doctype html><title>${titleOf(site, argument)}</title>${body(argument)}`);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    /** The address of a page: `url('news', 'plain/3')`. */
    url: (host, path) => `http://${host}.localhost:${address.port}/${path}`,
    close: () => new Promise((resolve) => server.close(() => resolve(undefined))),
  };
}

function titleOf(site, argument) {
  const name = site.replace(/[^a-z]/g, '').replace(/^./, (letter) => letter.toUpperCase());
  return Number.isNaN(Number(argument)) ? name : `${name}, page ${Number(argument)}`;
}

/** @type {Record<string, (argument: string | undefined) => string>} */
const BODIES = {
  plain: (number) => `<h1>Page ${Number(number)}</h1><p>${'Some text. '.repeat(200)}</p>`,
  // Random bytes, so that the memory is really held: equal pages could be merged or compressed.
  heavy: (mebibytes) => `<h1>Heavy</h1><script>
    const held = [];
    for (let mib = 0; mib < ${Number(mebibytes)}; mib++) {
      const block = new Uint8Array(1 << 20);
      for (let at = 0; at < block.length; at += 65536) crypto.getRandomValues(block.subarray(at, at + 65536));
      held.push(block);
    }
    window.held = held;
  </script>`,
  sound: () => '<h1>Sound</h1><audio autoplay loop src="/tone.wav"></audio>',
  form: () => '<h1>Form</h1><form><label>Name <input name="name"></label></form>',
  editor: () => '<h1>Editor</h1><div id="field" contenteditable></div>',
  box: () => '<h1>Box</h1><label><input id="field" type="checkbox"> Yes</label>',
  choice: () => '<h1>Choice</h1><select id="field"><option>one</option><option>two</option></select>',
  // A field in a shadow root, open or closed to its page.
  shadow: (mode) => `<h1>Shadow</h1><div id="host"></div><script>
    const root = host.attachShadow({ mode: '${mode}' });
    root.innerHTML = '<textarea></textarea>';
    window.field = root.firstChild;
  </script>`,
  // An editor that draws its text itself.
  drawn: () => `<h1>Drawn</h1><canvas id="field" tabindex="0"></canvas><script>
    field.editContext = new EditContext();
  </script>`,
};

/** A sine tone as a WAV file of 16-bit mono samples. */
function tone({ seconds, hertz, rate }) {
  const count = seconds * rate;
  const wav = Buffer.alloc(44 + 2 * count);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(36 + 2 * count, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(rate, 24);
  wav.writeUInt32LE(2 * rate, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(2 * count, 40);
  for (let index = 0; index < count; index++) {
    wav.writeInt16LE(Math.round(8000 * Math.sin((2 * Math.PI * hertz * index) / rate)), 44 + 2 * index);
  }
  return wav;
}
