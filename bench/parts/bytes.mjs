/**
 * Bytes on the wire for real rows and small edits, and the sizes of everything that a visitor or Cloudflare loads.
 * The wire's bytes come from the protocol crate's own example. `run.mjs` calls it.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { facilitiesFile } from '../lib/facilities.mjs';
import { root } from '../lib/paths.mjs';
import { number } from '../lib/table.mjs';

const CLIENT_WASM = 'ebbtide_client_bg.wasm';
const WORKER_WASM = 'ebbtide_worker_bg.wasm';
const SERVER = 'server.js';

/** Prints both tables and judges the sizes. */
export async function measure({ report }) {
  wireBytes(report);
  sizes(report);
}

function wireBytes(report) {
  const options = ['run', '--quiet', '--release', '--package', 'ebbtide-protocol', '--example', 'sizes', '--', facilitiesFile];
  const lines = execFileSync('cargo', options, { cwd: root, encoding: 'utf8' }).trimEnd().split('\n');
  const edits = JSON.parse(lines.pop());
  report.say(`\nBytes on the wire\n\n${lines.join('\n')}`);
  report.figures('wire', { text: lines.join('\n'), edits });
  const { full, together, apart, floor, apartFloor } = edits.find(({ count }) => count === 1_000);
  report.atMost(`bytes of each of 1,000 edits in one transaction (floor ${number(floor)})`, together, 15, 'bytes');
  report.atMost(`bytes of each of 1,000 edits in 1,000 transactions (floor ${number(apartFloor)})`, apart, 23, 'bytes');
  report.atLeast('1,000 edits: below full records in JSON', 100 * (1 - together / full), 97, '%');
}

function sizes(report) {
  const dist = join(root, 'npm/dist');
  const shipped = readdirSync(dist).filter((name) => /\.(js|wasm)$/.test(name)).map((name) => [`npm: ${name}`, join(dist, name)]);
  const official = join(root, 'node_modules/@sqlite.org/sqlite-wasm/dist');
  const compared = ['sqlite3.wasm', 'index.mjs'].map((name) => [`official: ${name}`, join(official, name)]);
  const measured = [...shipped, ...compared].filter(([, file]) => existsSync(file)).map(([name, file]) => ({ name, ...sizeOf(file) }));
  const rows = measured.map(({ name, raw, gzip, brotli }) => [name, number(raw), number(gzip), number(brotli)]);
  report.table('Sizes in bytes (JavaScript as shipped, not minified)', ['', 'raw', 'gzip', 'brotli'], rows);
  report.figures('sizes', measured);
  const named = (name) => measured.find((one) => one.name === `npm: ${name}`);
  report.atMost('client wasm, brotli', named(CLIENT_WASM).brotli, 450_000, 'bytes');
  report.atMost('Worker: wasm and JavaScript, gzip', named(WORKER_WASM).gzip + (named(SERVER)?.gzip ?? NaN), 350_000, 'bytes');
}

function sizeOf(file) {
  const bytes = readFileSync(file);
  const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 22 } });
  return { raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length, brotli: brotli.length };
}
