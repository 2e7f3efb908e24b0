/**
 * A new device: the whole facility list from local workerd into a browser that has never been there, its page's long tasks,
 * and the bytes that come, beside the gzip'd CSV with the same keys. `run.mjs` calls it.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { LocalWorker } from '../../tests/browser/harness/workerd.ts';
import { openPage, startChromium } from '../lib/chromium.mjs';
import { CountingProxy } from '../lib/counting-proxy.mjs';
import { allFacilities, asCsv } from '../lib/facilities.mjs';
import { ARRIVAL_ROUNDS, ARRIVAL_TRANSACTION, BROWSER_SETTLES_MS } from '../lib/limits.mjs';
import { bench, dist } from '../lib/paths.mjs';
import { median } from '../lib/stats.mjs';
import { number } from '../lib/table.mjs';

const FIRST_ROWS = 10_000;

/** Fills a space from one device, then lets a new one in, once each round. */
export async function measure({ report, browser, rounds }) {
  const worker = await LocalWorker.start(`${bench}/web/sync/server.ts`, dist);
  try {
    const rows = allFacilities();
    const keys = await fill(browser.context, worker.port, rows);
    const csv = asCsv(rows.map((row, at) => [keys[at], ...row]));
    const gzip = { 6: gzipSync(csv, { level: 6 }).length, 9: gzipSync(csv, { level: 9 }).length };
    const arrivals = [];
    for (let round = 0; round < (rounds ?? ARRIVAL_ROUNDS); round++) arrivals.push(await arrive(worker.port, rows.length, round));
    tell(report, rows.length, gzip, arrivals);
  } finally {
    await worker[Symbol.asyncDispose]();
  }
}

/** Brings the list into the space, in transactions as an import would make them. Answers the keys in the list's order. */
async function fill(context, port, rows) {
  const page = await openPage(context, `http://localhost:${port}/device.html`);
  const call = (method, ...given) => page.evaluate(([name, all]) => globalThis.device[name](...all), [method, given]);
  await call('openDevice', 'importer', 'arrive');
  for (let from = 0; from < rows.length; from += ARRIVAL_TRANSACTION) await call('insertAll', rows.slice(from, from + ARRIVAL_TRANSACTION));
  await call('settled');
  const keys = await call('allKeys');
  await call('close');
  await page.close();
  return keys;
}

async function arrive(port, count, round) {
  const browser = await startChromium();
  const proxy = await CountingProxy.start(port);
  try {
    const page = await openPage(browser.context, `${proxy.origin}/device.html`);
    await wait(BROWSER_SETTLES_MS);
    const started = performance.now();
    const arrival = await page.evaluate(
      ([name, rows]) => globalThis.device.arrive(name, 'arrive', rows), [`newcomer-${round}`, [FIRST_ROWS, count]],
    );
    const [firstMessage] = proxy.records.filter(({ direction, bytes }) => direction === 'down' && bytes > 1_000);
    return {
      first: arrival.reached[0], all: arrival.reached[1], longest: arrival.longestTask,
      down: proxy.bytes('down'), up: proxy.bytes('up'), beforeData: firstMessage.at - started,
    };
  } finally {
    await browser.close();
    await proxy.close();
  }
}

function tell(report, count, gzip, arrivals) {
  report.figures('arrivals', { count, gzip, arrivals });
  const of = (name) => arrivals.map((one) => one[name]);
  const line = (title, name, unit) => [title, unit, number(median(of(name))), number(Math.min(...of(name))), number(Math.max(...of(name)))];
  report.table(`${number(count)} facilities into a browser that was never there, ${arrivals.length} rounds`, ['', 'unit', 'median', 'least', 'most'], [
    line('open() → the first message with rows', 'beforeData', 'ms'),
    line(`open() → ${number(FIRST_ROWS)} rows shown`, 'first', 'ms'),
    line('open() → all rows shown', 'all', 'ms'),
    line('longest task of the page', 'longest', 'ms'),
    line('bytes to it', 'down', 'bytes'),
  ]);
  report.say(`\nThe CSV with the same keys: ${number(gzip[6])} bytes by gzip -6, ${number(gzip[9])} by gzip -9`);
  report.atMost('new device: all facilities', median(of('all')), 3_000, 'ms');
  report.atMost('new device: the first 10,000', median(of('first')), 600, 'ms');
  report.atMost('new device: longest task of the page', median(of('longest')), 50, 'ms');
  report.atMost('new device: bytes, against gzip -9 of the CSV', Math.max(...of('down')), gzip[9], 'bytes');
}
