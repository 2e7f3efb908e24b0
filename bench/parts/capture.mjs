/**
 * Ways of capturing changes, inside wasm on OPFS: SQL triggers of three kinds against the hook as shipped, whole deltas.
 * The rule for the choice: triggers, unless the hook is at least 1.3 times as fast. `run.mjs` calls it.
 */
import { openPage } from '../lib/chromium.mjs';
import { CAPTURE_ROUNDS, CAPTURE_ROWS } from '../lib/limits.mjs';
import { median, pairedRatio, rotated } from '../lib/stats.mjs';
import { number, ratio } from '../lib/table.mjs';

/** `base` is the same code without capture. */
const MODES = [
  { mode: 'none', name: 'rusqlite, no capture', base: 'none' },
  { mode: 'trigger-json', name: 'triggers: a log row each, JSON built in SQL', base: 'none' },
  { mode: 'trigger-bytes', name: 'triggers: a log row each, bytes from a Rust function', base: 'none' },
  { mode: 'trigger-collected', name: 'triggers: one Rust function, log at COMMIT', base: 'none' },
  { mode: 'trigger-complete', name: 'triggers: the same, with guards and evicted rows', base: 'none' },
  { mode: 'off', name: 'local database, no capture', base: 'off' },
  { mode: 'hook', name: 'local database, preupdate hook as shipped', base: 'off' },
];
const STEPS = ['insert', 'update', 'delete'];
/** The only triggers that capture all that the hook captures; the others show what each step of the way there costs. */
const COMPLETE = 'trigger-complete';

/** The hook must be that much faster than triggers that capture as much, to be worth its care. */
const WORTH = 1.3;

/** Runs all rounds, prints times and ratios, states the verdict. */
export async function measure({ report, site, browser, rounds }) {
  const page = await openPage(browser.context, `${site.origin}/page/capture`);
  const timings = Object.fromEntries(MODES.map(({ mode }) => [mode, []]));
  for (let round = 0; round < (rounds ?? CAPTURE_ROUNDS); round++) {
    for (const index of rotated(MODES.length, round)) {
      const { mode } = MODES[index];
      timings[mode].push(await page.evaluate((given) => globalThis.capture.run(...given), [mode, CAPTURE_ROWS]));
    }
  }
  await page.close();
  report.figures('capture', timings);
  reportModes(report, timings);
  reportVerdict(report, timings);
}

function reportModes(report, timings) {
  const of = (mode, step) => timings[mode].map((result) => result[step]);
  const rows = MODES.map(({ mode, name, base }) => {
    const cells = STEPS.flatMap((step) => [number(median(of(mode, step))), ratio(pairedRatio(of(mode, step), of(base, step)))]);
    return [name, ...cells];
  });
  const heading = ['', ...STEPS.flatMap((step) => [`${step}, ms`, '/ none'])];
  const title = `Capture of ${number(CAPTURE_ROWS)} rows in one transaction, median of ${timings.none.length} interleaved rounds`;
  report.table(title, heading, rows);
}

function reportVerdict(report, timings) {
  const gain = (of) => pairedRatio(timings[COMPLETE].map(of), timings.hook.map(of));
  const gains = Object.fromEntries(STEPS.map((step) => [step, gain((result) => result[step])]));
  const total = gain((result) => STEPS.reduce((sum, step) => sum + result[step], 0));
  const each = STEPS.map((step) => `${step} ${ratio(gains[step])}`).join(', ');
  report.say(`\nComplete triggers take, against the hook: ${each}; all steps together ${ratio(total)}.`);
  report.say(`The rule asks for ${ratio(WORTH)}, so: ${total >= WORTH ? 'the hook' : 'triggers'}.`);
  report.figures('captureGains', { ...gains, total });
}
