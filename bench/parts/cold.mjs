/**
 * Cold open of a full database, Ebbtide against the official build: from nothing to the first row.
 * Each time in a page of its own, because what a page has compiled it need not compile again. `run.mjs` calls it.
 */
import { openPage } from '../lib/chromium.mjs';
import { COLD_ROUNDS } from '../lib/limits.mjs';
import { median, pairedRatio, rotated } from '../lib/stats.mjs';
import { number, ratio } from '../lib/table.mjs';

const CONTENDERS = [
  { key: 'official', engine: 'official', captured: false, from: 'page' },
  { key: 'captured', engine: 'ebbtide', captured: true, from: 'page' },
];
const ROWS = 100_000;

/** Two kinds of visit: files from the browser's cache, and a first visit that has to load everything. */
const VISITS = { cached: 'files from the cache', first: 'first visit, nothing cached' };

/** Prepares both databases, opens them in turn, judges the bars. */
export async function measure({ report, site, browser, rounds }) {
  const inPage = async (verb, ...given) => {
    const page = await openPage(browser.context, `${site.origin}/page/local`);
    const result = await page.evaluate(([method, all]) => globalThis.bench[method](...all), [verb, given]);
    await page.close();
    return result;
  };
  const cold = await runRounds(inPage, rounds ?? COLD_ROUNDS);
  report.figures('cold', cold);
  reportCold(report, cold);
}

async function runRounds(inPage, rounds) {
  const key = await inPage('firstKey');
  const names = [];
  for (const contender of CONTENDERS) names.push(await inPage('prepareCold', contender, ROWS));
  const cold = { cached: { official: [], captured: [] }, first: { official: [], captured: [] } };
  for (let round = 0; round < rounds; round++) {
    for (const visit of Object.keys(VISITS)) {
      for (const index of rotated(CONTENDERS.length, round)) {
        const contender = CONTENDERS[index];
        cold[visit][contender.key].push(await inPage('openCold', contender, names[index], key, visit === 'cached'));
      }
    }
  }
  return cold;
}

function reportCold(report, cold) {
  const rows = Object.entries(cold).map(([visit, { official, captured }]) => {
    const slower = pairedRatio(captured, official);
    report.atMost(`cold open, ${VISITS[visit]}, Ebbtide / official`, slower, 1.1, '×');
    return [VISITS[visit], number(median(official)), number(median(captured)), ratio(slower)];
  });
  const heading = [`cold open of ${number(ROWS)} rows, ms until the first row`, 'official', 'Ebbtide', 'Ebbtide / official'];
  report.table(`Cold open, median of ${cold.first.official.length} interleaved rounds`, heading, rows);
}
