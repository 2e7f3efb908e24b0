/**
 * Builds the demo into `dist/`: page, styles, database worker with its wasm, service worker, static files.
 * It knows of Ebbtide only what the package exports. `npm run build` and `cargo xtask demo` call it.
 */

import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join, relative } from 'node:path';
import { build } from 'esbuild';

const folder = fileURLToPath(new URL('.', import.meta.url));
const dist = join(folder, 'dist');
const exported = (name) => fileURLToPath(import.meta.resolve(`ebbtide/${name}`));
const bundle = { bundle: true, minify: true, sourcemap: 'linked', target: 'es2022', logLevel: 'warning', absWorkingDir: folder };

/** What never goes into the service worker's cache: itself, the server's instructions, debugging aids. */
const NOT_CACHED = [/^service-worker\.js$/, /^_headers$/, /\.map$/];

await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });
await Promise.all([
  cp(join(folder, 'public'), dist, { recursive: true }),
  cp(join(folder, 'index.html'), join(dist, 'index.html')),
  cp(join(folder, 'data/facilities.csv.gz'), join(dist, 'facilities.csv.gz')),
  cp(exported('worker.js'), join(dist, 'ebbtide-worker.js')),
  cp(exported('ebbtide_client_bg.wasm'), join(dist, 'ebbtide.wasm')),
  build({ ...bundle, entryPoints: { app: 'src/main.ts' }, outdir: dist, format: 'esm' }),
  build({ ...bundle, entryPoints: { app: 'styles/main.css' }, outdir: dist }),
]);
const precache = await precacheList();
await build({
  ...bundle,
  entryPoints: { 'service-worker': 'service-worker.ts' },
  outdir: dist,
  format: 'iife',
  define: { PRECACHE: JSON.stringify(precache) },
});
console.log(`demo: ${precache.paths.length} files, version ${precache.version}`);

/** The paths to keep for offline use, and a version that changes with any of their bytes. */
async function precacheList() {
  const hash = createHash('sha256');
  const paths = [];
  for (const name of await files()) {
    hash.update(name).update('\0').update(await readFile(join(dist, name)));
    paths.push(name === 'index.html' ? '/' : `/${name}`);
  }
  return { version: hash.digest('hex').slice(0, 12), paths };
}

async function files() {
  const entries = await readdir(dist, { recursive: true, withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile()).map((entry) => relative(dist, join(entry.parentPath, entry.name)));
  return names.filter((name) => !NOT_CACHED.some((pattern) => pattern.test(name))).sort();
}
