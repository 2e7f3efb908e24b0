/**
 * What the figures were measured on: processor, memory, load, versions.
 * The load matters most: on a shared machine only ratios of interleaved rounds can be trusted. `run.mjs` prints it.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { root, scratch } from './paths.mjs';
import { median } from './stats.mjs';

/** So many syncs are over within a second or two, and enough for a median. */
const SYNCS = 101;

/** The machine and the versions, by name. */
export function describeMachine(chromiumVersion) {
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    processor: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `Linux ${release()}`,
    chromium: chromiumVersion,
    node: process.version,
    'official sqlite-wasm': version('@sqlite.org/sqlite-wasm'),
    workerd: version('workerd'),
    commit: commit(),
  };
}

/** The load of the last minute, as text. */
export function load() {
  return `load ${loadavg()[0].toFixed(1)}`;
}

/** The file is written over and over, as a WAL is; growing it would cost more. */
const PAGES = 16;

/** How long the disk takes to make a page durable, in milliseconds: every durable transaction waits for that. */
export function diskSync() {
  mkdirSync(scratch, { recursive: true });
  const path = join(scratch, 'disk-sync');
  const file = openSync(path, 'w');
  const page = Buffer.alloc(8192, 1);
  const times = Array.from({ length: SYNCS }, (_, index) => {
    writeSync(file, page, 0, page.length, (index % PAGES) * page.length);
    const start = performance.now();
    fdatasyncSync(file);
    return performance.now() - start;
  });
  closeSync(file);
  rmSync(path);
  return median(times);
}

function version(name) {
  return JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')).version;
}

function commit() {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
  } catch {
    // A copy without its history is measured all the same.
    return 'unknown';
  }
}
