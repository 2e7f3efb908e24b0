/**
 * The engine natively: merging in memory, deciding over SQLite, applying on a device, each beside the plain way to do it.
 * The crate `engine/` measures and prints lines of JSON; here they become medians, ratios and bars. `run.mjs` calls it.
 */
import { execFileSync } from 'node:child_process';
import { ENGINE_ROUNDS } from '../lib/limits.mjs';
import { root } from '../lib/paths.mjs';
import { median, pairedRatio } from '../lib/stats.mjs';
import { number, ratio } from '../lib/table.mjs';

/** Changes or rows a second. Transactions of one change each, as a device sends them that was offline, have no bar. */
const BARS = {
  'merge, all seen': 1_000_000,
  'merge, half concurrent': 1_000_000,
  'commit, one-field updates': 60_000,
  'commit, inserts': 60_000,
  'apply, inserts': 150_000,
  'apply, one-field updates': 150_000,
};

/** Runs the crate, prints the table and judges the bars. */
export async function measure({ report, rounds }) {
  const options = ['run', '--quiet', '--release', '--package', 'ebbtide-bench-engine', '--', '--rounds', String(rounds ?? ENGINE_ROUNDS)];
  const lines = execFileSync('cargo', options, { cwd: root, encoding: 'utf8' }).trimEnd().split('\n');
  const results = lines.map((line) => JSON.parse(line));
  report.figures('engine', results);
  const names = [...new Set(results.map(({ name }) => name))];
  const of = (name, what) => results.filter((result) => result.name === name).map((result) => result[what]);
  const rows = names.map((name) => [
    name, ...[median, (all) => Math.min(...all), (all) => Math.max(...all)].map((pick) => number(pick(of(name, 'perSecond')))),
    ratio(pairedRatio(of(name, 'seconds'), of(name, 'plain'))),
  ]);
  report.table('The engine on one processor, a second of its time', ['', 'median', 'least', 'most', 'time / plain way'], rows);
  for (const [name, bar] of Object.entries(BARS)) report.atLeast(`engine: ${name}`, median(of(name, 'perSecond')), bar, 'a second');
}
