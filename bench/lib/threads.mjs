/**
 * Time on the processor of a browser's threads, by the kernel's account: on a busy machine it says more than the clock on the wall.
 * It knows Linux only, and only programs that this one has started. The apply part reads it around every step.
 */
import { readFileSync, readdirSync } from 'node:fs';

/** Milliseconds that threads of this name (its first 15 letters) have run, in all programs that descend from this one. */
export function threadTimeMs(name) {
  const threads = descendants().flatMap((pid) => list(`/proc/${pid}/task`).map((tid) => `/proc/${pid}/task/${tid}`));
  const named = threads.filter((thread) => read(`${thread}/comm`).trim() === name.slice(0, 15));
  return named.reduce((sum, thread) => sum + Number(read(`${thread}/schedstat`).split(' ')[0]) / 1e6, 0);
}

function descendants() {
  const parents = new Map(list('/proc').filter((name) => /^\d+$/.test(name)).map((pid) => [pid, parentOf(pid)]));
  const isOurs = (pid) => pid !== undefined && (pid === String(process.pid) || isOurs(parents.get(pid)));
  return [...parents.keys()].filter(isOurs);
}

/** What stands behind the name, which may hold anything: the state, then the parent. */
function parentOf(pid) {
  return /.*\) \S (\d+)/s.exec(read(`/proc/${pid}/stat`))?.[1];
}

/** A program that ends meanwhile has nothing to say. */
function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function list(path) {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
