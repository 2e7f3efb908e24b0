/**
 * The package as it is published: its entries, its types, what is in the tarball. Needs a build.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MANIFEST = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  exports: Record<string, string | { types: string; default: string }>;
};

test('JS-23 the public types are those of the committed report', () => {
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'api-report.mjs'), '--check'], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});

test('JS-24 every export leads to a file, and importing the main entry on a server runs', async () => {
  const targets = Object.values(MANIFEST.exports).flatMap((target) => (typeof target === 'string' ? [target] : [target.types, target.default]));
  assert.deepEqual(targets.filter((target) => !existsSync(join(ROOT, target))), []);
  const { open, EbbtideError } = (await import('ebbtide' as string)) as typeof import('../src/index.ts');
  assert.equal(typeof open, 'function');
  assert.equal(new EbbtideError('a_code', 'text').code, 'a_code');
});

test('JS-24 bundlers find worker and wasm by literal URLs', () => {
  const main = readFileSync(join(ROOT, 'dist/index.js'), 'utf8');
  assert.match(main, /new Worker\(new URL\("\.\/worker\.js", import\.meta\.url\), \{ type: "module"/);
  assert.match(main, /new URL\("\.\/ebbtide_client_bg\.wasm", import\.meta\.url\)/);
});

test('JS-25 an app that uses the package type-checks against what is published, in strict mode', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ebbtide-types-'));
  try {
    writeFileSync(join(folder, 'app.ts'), APP);
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
      compilerOptions: {
        strict: true, noEmit: true, target: 'ES2022', module: 'ESNext', moduleResolution: 'bundler', types: [], skipLibCheck: false,
        lib: ['ES2024', 'ESNext.Disposable', 'DOM', 'DOM.Iterable'],
        paths: { ebbtide: [join(ROOT, 'dist/types/index.d.ts')], 'ebbtide/schema': [join(ROOT, 'dist/types/schema.d.ts')] },
      },
      include: ['app.ts'],
    }));
    const tsc = createRequire(import.meta.url).resolve('typescript/package.json').replace('package.json', 'bin/tsc');
    const { status, stdout } = spawnSync(process.execPath, [tsc, '--project', folder], { encoding: 'utf8' });
    assert.equal(status, 0, stdout);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('JS-26 the tarball holds what is published and no sources', () => {
  const [packed] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json'], { cwd: ROOT, encoding: 'utf8' })) as [{ files: { path: string }[] }];
  const paths = packed!.files.map((file) => file.path);
  for (const needed of ['dist/index.js', 'dist/worker.js', 'dist/ebbtide_client_bg.wasm', 'dist/types/index.d.ts', 'ERRORS.md', 'package.json']) {
    assert.ok(paths.includes(needed), needed);
  }
  assert.deepEqual(paths.filter((path) => path.startsWith('src/') || path.startsWith('test/')), []);
});

/** The contract, as an app writes it. */
const APP = `
import { open, EbbtideError, type Database, type SyncStatus } from 'ebbtide';
import { defineSchema } from 'ebbtide/schema';
const schema = defineSchema({ migrations: ['CREATE TABLE a (id TEXT PRIMARY KEY NOT NULL) STRICT'], tables: { a: { merge: { x: 'lww' }, delete: 'wins' } } });
export async function app(signal: AbortSignal): Promise<void> {
  await using db: Database = await open({ name: 'a', schema, durability: 'relaxed', sync: { url: '/ebbtide', space: 's', token: async () => 't', twoPhase: 'always' } });
  const { changes }: { changes: number } = await db.exec('INSERT INTO a (id) VALUES (?)', ['1']);
  await db.execMany('INSERT INTO a (id) VALUES (?)', [['2'], [null], [3n], [true], [new Uint8Array()]]);
  const rows = await db.query<{ id: string }>('SELECT id FROM a', []);
  const first: { id: string } | undefined = await db.get<{ id: string }>('SELECT id FROM a');
  const answer: number = await db.transaction(async (tx) => { await tx.exec('DELETE FROM a'); return changes; });
  for await (const live of db.watch<{ id: string }>('SELECT id FROM a', [], { signal })) console.log(live[0]?.id, rows, first, answer);
  const status: SyncStatus = db.sync.status;
  db.sync.addEventListener('status', (event) => console.log(event.detail.pending, status.state));
  const report = await db.sync.now({ signal });
  console.log(report.sent + report.received + report.bytesUp + report.bytesDown + report.errors);
  for (const rejected of await db.rejected.list()) { await db.rejected.retry(rejected.id); await db.rejected.discard(rejected.id); }
  console.log((await db.conflicts.list())[0]?.base, (await db.sync.inspect()).device);
  const bytes: Uint8Array = await db.export();
  try { await db.exec('x'); } catch (error) { if (error instanceof EbbtideError) console.log(error.code, error.retryable, bytes); }
}
`;
