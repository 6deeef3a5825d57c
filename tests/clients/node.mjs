// One request by one client of the Node world: `node node.mjs CLIENT URL SIZE [follow]`, one line of JSON on stdout.
// Packages come from the folder named by NODE_CLIENTS (a node_modules); a missing one is reported, not an error.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import path from 'node:path';
import { Readable } from 'node:stream';

const [client, url, sizeText, mode] = process.argv.slice(2);
const size = Number(sizeText);
const follow = mode === 'follow';
const say = (answer) => console.log(JSON.stringify(answer));

class Missing extends Error {}

async function load(name) {
  const from = createRequire(path.join(process.env.NODE_CLIENTS ?? '.', '..', 'x.js'));
  let file;
  try {
    file = from.resolve(name);
  } catch {
    throw new Missing(`${name} is not installed`);
  }
  return import(pathToFileURL(file));
}

const fetched = async (body, extra = {}) => {
  const r = await fetch(url, { method: 'POST', body, redirect: follow ? 'follow' : 'manual', ...extra });
  return { status: r.status, location: r.headers.get('location'), text: await r.text() };
};

const posted = (to) =>
  new Promise((done, failed) => {
    const { request } = to.startsWith('https:') ? https : http;
    const r = request(to, { method: 'POST', headers: { 'content-length': size } }, (a) => {
      let text = '';
      a.on('data', (d) => (text += d));
      a.on('end', () => done({ status: a.statusCode, location: a.headers.location, text }));
      a.on('error', failed);
    });
    r.on('error', failed);
    r.end(Buffer.alloc(size));
  });

function* pieces() {
  for (let left = size; left > 0; left -= 65536) yield Buffer.alloc(Math.min(left, 65536));
}

// Node's own clients follow nothing: whoever uses them does it like this.
const followed = (answer) => (follow && answer.status === 307 ? posted(answer.location) : answer);

const clients = {
  'fetch-string': () => fetched('x'.repeat(size)),
  'fetch-blob': () => fetched(new Blob([Buffer.alloc(size)])),
  'fetch-stream': () => {
    let left = size;
    const body = new ReadableStream({
      pull(c) {
        const n = Math.min(left, 65536);
        left -= n;
        if (n) c.enqueue(new Uint8Array(n));
        if (!left) c.close();
      },
    });
    return fetched(body, { duplex: 'half' });
  },
  http: async () => followed(await posted(url)),
  http2: () =>
    new Promise((done, failed) => {
      const u = new URL(url);
      const session = http2.connect(u.origin);
      session.on('error', failed);
      const r = session.request({ ':method': 'POST', ':path': u.pathname });
      r.on('response', (h) => done({ status: h[':status'], location: h.location }));
      r.on('error', failed);
      // In pieces: a session holds 10 MB at most (`maxSessionMemory`), and breaks off when it is handed more at once.
      Readable.from(pieces()).pipe(r);
    }).then(followed),
  undici: async () => {
    const { request } = await load('undici');
    const r = await request(url, { method: 'POST', body: Buffer.alloc(size) });
    return { status: r.statusCode, location: r.headers.location, text: await r.body.text() };
  },
  axios: async () => {
    const { default: axios } = await load('axios');
    const r = await axios.post(url, Buffer.alloc(size), {
      maxRedirects: follow ? 5 : 0, maxBodyLength: Infinity, validateStatus: () => true, responseType: 'text', transformResponse: (t) => t,
    });
    return { status: r.status, location: r.headers.location, text: r.data };
  },
  got: async () => {
    const { default: got } = await load('got');
    const r = await got.post(url, {
      body: Buffer.alloc(size), followRedirect: follow, throwHttpErrors: false, retry: { limit: 0 },
    });
    return { status: r.statusCode, location: r.headers.location, text: r.body };
  },
};

// An error after the answer must not hide it, nor one before it go unsaid.
process.on('uncaughtException', (e) => { say({ error: String(e?.code ?? e) }); process.exit(0); });
try {
  say(await clients[client]());
} catch (e) {
  if (e instanceof Missing) say({ missing: e.message });
  else say({ error: [e.message, e.cause?.code ?? e.cause?.message ?? e.code].filter(Boolean).join(': ') });
}
process.exit(0);
