/**
 * Builds the package into `dist`: one bundle for each entry, the types, and the two wasm modules beside them.
 * It expects the modules in `wasm/`, where `cargo xtask build` puts them.
 */
import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, 'dist');

const entries = {
  index: 'src/index.ts',
  worker: 'src/worker/index.ts',
  schema: 'src/schema.ts',
  server: 'src/server/index.ts',
  'service-worker': 'src/service-worker/index.ts',
};
const modules = ['wasm/client/ebbtide_client_bg.wasm', 'wasm/worker/ebbtide_worker_bg.wasm'];

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
await bundle();
for (const module of modules) cpSync(join(root, module), join(dist, module.split('/').at(-1)));
writeTypes();

async function bundle() {
  const present = Object.entries(entries).filter(([, source]) => existsSync(join(root, source)));
  await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(present),
    outdir: dist,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    // Kept readable: apps minify, and a stack trace from the field should be of use.
    minify: false,
    sourcemap: true,
    sourcesContent: true,
    external: ['cloudflare:workers', '*.wasm'],
    logLevel: 'warning',
  });
}

function writeTypes() {
  const tsc = createRequire(import.meta.url).resolve('typescript/package.json').replace('package.json', 'bin/tsc');
  const options = ['--project', join(root, 'tsconfig.build.json')];
  const { status } = spawnSync(process.execPath, [tsc, ...options], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
