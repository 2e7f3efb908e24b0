/**
 * Ebbtide against the official build, both on opfs-sahpool with the same pragmas, each driven from the same place.
 * Rounds are interleaved and their order rotates; ratios are taken within a round. `run.mjs` calls it.
 */
import { openPage } from '../lib/chromium.mjs';
import { LOCAL_ROUNDS } from '../lib/limits.mjs';
import { median, pairedRatio, rotated } from '../lib/stats.mjs';
import { number, ratio } from '../lib/table.mjs';

const ENGINES = [
  { key: 'official', engine: 'official', captured: false },
  { key: 'plain', engine: 'ebbtide', captured: false },
  { key: 'captured', engine: 'ebbtide', captured: true },
];
const PLACES = ['worker', 'page'];

/** How often each thing is done in a round; calls from the page are slower, so there are fewer. */
const COUNTS = {
  worker: { bulk: 10_000, largeBulk: 100_000, updates: 10_000, transactions: 500, selects: 20_000 },
  page: { bulk: 10_000, largeBulk: 100_000, updates: 10_000, transactions: 500, selects: 3_000 },
};

const MEASURED = [
  { timing: 'bulk', name: 'bulk insert, 10,000 rows', unit: 'rows/s', count: (counts) => counts.bulk },
  { timing: 'largeBulk', name: 'bulk insert, 100,000 rows', unit: 'rows/s', count: (counts) => counts.largeBulk },
  { timing: 'updates', name: 'one-field updates, one transaction', unit: 'rows/s', count: (counts) => counts.updates },
  { timing: 'insertTransactions', name: 'one-row insert transactions', unit: 'tx/s', count: (counts) => counts.transactions },
  { timing: 'updateTransactions', name: 'one-field update transactions', unit: 'tx/s', count: (counts) => counts.transactions },
  { timing: 'selects', name: 'point selects', unit: 'rows/s', count: (counts) => counts.selects },
];

/** Runs all rounds, prints two tables, judges the bars. */
export async function measure({ report, site, browser, rounds }) {
  const page = await openPage(browser.context, `${site.origin}/page/local`);
  const timings = await runRounds(page, rounds ?? LOCAL_ROUNDS);
  report.figures('local', timings);
  for (const place of PLACES) reportPlace(report, place, timings[place]);
  await page.close();
}

async function runRounds(page, rounds) {
  const contenders = PLACES.flatMap((from) => ENGINES.map((engine) => ({ ...engine, from })));
  const timings = Object.fromEntries(PLACES.map((place) => [place, Object.fromEntries(ENGINES.map(({ key }) => [key, []]))]));
  for (let round = 0; round < rounds; round++) {
    for (const index of rotated(contenders.length, round)) {
      const contender = contenders[index];
      const counts = COUNTS[contender.from];
      const result = await page.evaluate(([one, many]) => globalThis.bench.runRound(one, many), [contender, counts]);
      timings[contender.from][contender.key].push(result);
    }
  }
  return timings;
}

function reportPlace(report, place, timings) {
  const of = (key, timing) => timings[key].map((result) => result[timing]);
  const heading = [`driven from the ${place}`, 'unit', 'official', 'Ebbtide, capture off', 'capture on', 'on / official', 'cost of capture'];
  const rows = MEASURED.map(({ timing, name, unit, count }) => {
    const perSecond = (key) => number((count(COUNTS[place]) * 1000) / median(of(key, timing)));
    const faster = pairedRatio(of('official', timing), of('captured', timing));
    const cost = pairedRatio(of('captured', timing), of('plain', timing));
    return [name, unit, ...ENGINES.map(({ key }) => perSecond(key)), ratio(faster), ratio(cost)];
  });
  report.table(`Local database, median of ${timings.official.length} interleaved rounds`, heading, rows);
  for (const timing of ['bulk', 'largeBulk', 'selects']) {
    const { name } = MEASURED.find((measured) => measured.timing === timing);
    report.atLeast(`${name}, ${place}, on / official`, pairedRatio(of('official', timing), of('captured', timing)), 1, '×');
  }
  for (const timing of ['bulk', 'largeBulk', 'updates']) {
    const { name } = MEASURED.find((measured) => measured.timing === timing);
    report.atMost(`${name}, ${place}, cost of capture`, pairedRatio(of('captured', timing), of('plain', timing)), 2, '×');
  }
}
