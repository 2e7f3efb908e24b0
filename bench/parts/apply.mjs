/**
 * Commits of others applied inside wasm on OPFS: opened, written uncaptured, durable; beside plain statements for the same rows.
 * The module is built exactly as the client is. `run.mjs` calls it.
 */
import { openPage } from '../lib/chromium.mjs';
import { APPLY_ROUNDS, APPLY_ROWS } from '../lib/limits.mjs';
import { median, pairedRatio } from '../lib/stats.mjs';
import { number, ratio } from '../lib/table.mjs';
import { threadTimeMs } from '../lib/threads.mjs';

const STEPS = [
  { name: 'new rows of 20 columns', step: 'insert', plain: 'plainInsert' },
  { name: 'one field each of known rows', step: 'update', plain: 'plainUpdate' },
];

/** How Chromium calls the thread of a worker. */
const WORKER_THREAD = 'DedicatedWorker';

/** Runs all rounds, prints rows a second and ratios, judges the bar by time on the processor, as the native engine's is. */
export async function measure({ report, site, browser, rounds }) {
  const page = await openPage(browser.context, `${site.origin}/page/apply`);
  const timings = [];
  for (let round = 0; round < (rounds ?? APPLY_ROUNDS); round++) timings.push(await takeRound(page));
  await page.close();
  report.figures('apply', timings);
  const rate = (step, clock) => timings.map((one) => (1_000 * APPLY_ROWS) / one[step][clock]);
  const row = ({ name, step, plain }, clock, title) => [
    `${name}, ${title}`, number(median(rate(step, clock))), number(Math.min(...rate(step, clock))), number(Math.max(...rate(step, clock))),
    ratio(pairedRatio(timings.map((one) => one[step][clock]), timings.map((one) => one[plain][clock]))),
  ];
  const rows = STEPS.flatMap((step) => [row(step, 'processor', 'on the processor'), row(step, 'wall', 'by the clock')]);
  report.table(`Applying ${number(APPLY_ROWS)} rows inside wasm on OPFS, rows a second, ${timings.length} rounds`,
    ['', 'median', 'least', 'most', 'time / plain way'], rows);
  for (const { name, step } of STEPS) report.atLeast(`applying on OPFS: ${name}`, median(rate(step, 'processor')), 100_000, 'a second');
}

/** Milliseconds of each step, by the clock and on the processor. */
async function takeRound(page) {
  await page.evaluate((rows) => globalThis.apply.open(rows), APPLY_ROWS);
  const timings = {};
  for (const step of STEPS.flatMap(({ step, plain }) => [step, plain])) {
    const before = threadTimeMs(WORKER_THREAD);
    const wall = await page.evaluate((name) => globalThis.apply.step(name), step);
    const processor = threadTimeMs(WORKER_THREAD) - before;
    if (!(processor > 0)) throw new Error('the kernel does not account for the time of single threads');
    timings[step] = { wall, processor };
  }
  await page.evaluate(() => globalThis.apply.step('finish'));
  return timings;
}
