/**
 * Builds the pages and workers of `web/` and serves them on loopback, as a deployed app would be served.
 * It does not know what they measure. The parts open its pages.
 */
import { build } from 'esbuild';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { bench, dist, root } from './paths.mjs';

const LOCAL = {
  local: 'web/local/page.ts',
  'local-official': 'web/local/official-worker.ts',
  'local-ebbtide': 'web/local/ebbtide-worker.ts',
  'ebbtide-worker': '../npm/dist/worker.js',
};

const SYNC = { device: 'web/sync/page.ts', 'ebbtide-worker': '../npm/dist/worker.js' };

/** What each part needs. */
const ENTRIES = {
  apply: { apply: 'web/apply/page.ts', 'apply-worker': 'web/apply/worker.ts' },
  arrive: SYNC,
  bytes: {},
  capture: { capture: 'web/capture/page.ts', 'capture-worker': 'web/capture/worker.ts' },
  cold: LOCAL,
  local: LOCAL,
  engine: {},
  sync: SYNC,
};

/** Pages that the local Worker serves as plain files. */
const PAGES = ['device'];
const MODULES = {
  'sqlite3.wasm': 'node_modules/@sqlite.org/sqlite-wasm/dist/sqlite3.wasm',
  'ebbtide.wasm': 'npm/dist/ebbtide_client_bg.wasm',
  'capture.wasm': 'bench/wasm/capture_bg.wasm',
};
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm', '.json': 'application/json' };

/** Bundles and minifies what the parts need: both contenders alike. */
export async function buildSite(parts) {
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  await build({
    absWorkingDir: bench,
    entryPoints: Object.assign({}, ...parts.map((part) => ENTRIES[part])),
    outdir: dist,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    alias: { 'bench-capture': './wasm/capture.js' },
    logLevel: 'error',
  });
  for (const [name, source] of Object.entries(MODULES)) cpSync(join(root, source), join(dist, name));
  for (const name of PAGES) writeFileSync(join(dist, `${name}.html`), html(name));
}

/**
 * Serves what was built. `/page/NAME` is an empty page that runs NAME.js. Paths below `/fresh/` are never cached, so
 * that a visit through them is a first visit; everything else may be, as files with a hash in their name are.
 */
export async function serveSite() {
  const server = createServer((request, response) => {
    void answer(request.url ?? '/', response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://localhost:${server.address().port}`;
  return { origin, close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()) };
}

async function answer(url, response) {
  const path = new URL(url, 'http://localhost').pathname;
  const page = /^\/page\/([a-z-]+)$/.exec(path);
  if (page !== null) return respond(response, '.html', Buffer.from(html(page[1])), 'no-store');
  const isFresh = path.startsWith('/fresh/');
  const file = join(dist, normalize(isFresh ? path.slice('/fresh'.length) : path));
  try {
    respond(response, extname(file), await readFile(file), isFresh ? 'no-store' : 'max-age=3600, immutable');
  } catch {
    response.writeHead(404).end();
  }
}

function html(name) {
  return `<!doctype html><meta charset="utf-8"><title>${name}</title><link rel="icon" href="data:,"><script type="module" src="/${name}.js"></script>`;
}

function respond(response, ending, body, caching) {
  response.writeHead(200, { 'content-type': TYPES[ending] ?? 'application/octet-stream', 'cache-control': caching });
  response.end(body);
}
