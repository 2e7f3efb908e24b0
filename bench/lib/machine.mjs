/**
 * What the figures were measured on: processor, memory, load, versions.
 * The load matters most: on a shared machine only ratios of interleaved rounds can be trusted. `run.mjs` prints it.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { root } from './paths.mjs';

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
