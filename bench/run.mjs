/**
 * The bench's command: runs the named parts, or all, prints tables and verdicts, keeps the results.
 * What a part measures is in its own file in `parts/`. `cargo xtask bench` builds everything and calls it.
 */
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { startChromium } from './lib/chromium.mjs';
import { describeMachine, diskSync, load } from './lib/machine.mjs';
import { scratch } from './lib/paths.mjs';
import { Report } from './lib/report.mjs';
import { buildSite, serveSite } from './lib/site.mjs';
import { number } from './lib/table.mjs';

const PARTS = ['apply', 'arrive', 'bytes', 'capture', 'cold', 'engine', 'local', 'sync'];

/** Above this load the absolute figures say little. */
const BUSY_LOAD = 1.5;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string' }, 'no-verdict': { type: 'boolean' } },
});
const unknown = positionals.filter((part) => !PARTS.includes(part));
const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
if (unknown.length > 0 || (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0))) {
  console.error(`usage: cargo xtask bench [-- [--rounds N] [--no-verdict] ${PARTS.map((part) => `[${part}]`).join(' ')}]`);
  process.exit(2);
}
process.exitCode = (await run(positionals.length > 0 ? positionals : PARTS)) || values['no-verdict'] ? 0 : 1;

async function run(parts) {
  const report = new Report();
  await buildSite(parts);
  const site = await serveSite();
  const browser = await startChromium();
  const machine = describeMachine(browser.version);
  try {
    for (const [name, value] of Object.entries(machine)) report.say(`${name.padEnd(22)}${value}`);
    if (loadavg()[0] > BUSY_LOAD) report.say(`\nThe machine is busy (${load()}): trust the ratios, not the times.`);
    for (const part of parts) {
      const { measure } = await import(`./parts/${part}.mjs`);
      report.say(`\n== ${part} (${load()}, the disk syncs a page in ${number(diskSync())} ms)`);
      await measure({ report, site, browser, rounds });
      report.say(`\n(${load()} at the end)`);
    }
  } finally {
    await browser.close();
    await site.close();
  }
  return report.finish(scratch, machine);
}
