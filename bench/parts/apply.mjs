/**
 * Commits of others applied inside wasm on OPFS: opened, written uncaptured, durable; beside plain statements for the same rows.
 * The module is built exactly as the client is. `run.mjs` calls it.
 */
import { openPage } from '../lib/chromium.mjs';
import { APPLY_ROUNDS, APPLY_ROWS } from '../lib/limits.mjs';
import { median, pairedRatio } from '../lib/stats.mjs';
import { number, ratio } from '../lib/table.mjs';

const STEPS = [
  { name: 'new rows of 20 columns', step: 'insert', plain: 'plainInsert' },
  { name: 'one field each of known rows', step: 'update', plain: 'plainUpdate' },
];

/** Runs all rounds, prints rows a second and ratios, judges the bar. */
export async function measure({ report, site, browser, rounds }) {
  const page = await openPage(browser.context, `${site.origin}/page/apply`);
  const timings = [];
  for (let round = 0; round < (rounds ?? APPLY_ROUNDS); round++) {
    timings.push(await page.evaluate((rows) => globalThis.apply.run(rows), APPLY_ROWS));
  }
  await page.close();
  report.figures('apply', timings);
  const rate = (step) => timings.map((one) => (1_000 * APPLY_ROWS) / one[step]);
  const rows = STEPS.map(({ name, step, plain }) => [
    name, number(median(rate(step))), number(Math.min(...rate(step))), number(Math.max(...rate(step))),
    ratio(pairedRatio(timings.map((one) => one[step]), timings.map((one) => one[plain]))),
  ]);
  report.table(`Applying ${number(APPLY_ROWS)} rows inside wasm on OPFS, rows a second, ${timings.length} rounds`,
    ['', 'median', 'least', 'most', 'time / plain way'], rows);
  for (const { name, step } of STEPS) report.atLeast(`applying on OPFS: ${name}`, median(rate(step)), 100_000, 'a second');
}
