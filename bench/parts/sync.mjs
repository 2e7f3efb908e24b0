/**
 * Two devices, each a browser of its own with a profile on disk, and the Worker in local workerd; each device's traffic
 * passes a proxy that counts application payload. `run.mjs` calls it.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { LocalWorker } from '../../tests/browser/harness/workerd.ts';
import { openPage, startChromium } from '../lib/chromium.mjs';
import { CountingProxy } from '../lib/counting-proxy.mjs';
import { facilities } from '../lib/facilities.mjs';
import { COPY_ROUNDS, FIELD_CHANGES, FIELD_WARM_UP } from '../lib/limits.mjs';
import { bench, dist } from '../lib/paths.mjs';
import { median, quantile } from '../lib/stats.mjs';
import { number } from '../lib/table.mjs';

/** No message for so long means that a change and everything that follows from it has passed. */
const QUIET_MS = 150;

/** What is changed in turn: a word, a number, a text. None of the new values occurs in the list. */
const FIELDS = [
  { column: 'ownership', value: 'Mission' },
  { column: 'lat', value: -12.34567 },
  { column: 'name', value: 'Health post by the river' },
];

/** How often the clock of a page is compared with this process's; the comparison with the shortest way counts. */
const CLOCK_SAMPLES = 40;

/** Copies all facilities, then changes single fields. */
export async function measure({ report, browser, rounds }) {
  const worker = await LocalWorker.start(`${bench}/web/sync/server.ts`, dist);
  const other = await startChromium();
  try {
    const a = await startDevice('a', browser.context, worker.port);
    const b = await startDevice('b', other.context, worker.port);
    await reportCopies(report, a, b, rounds ?? COPY_ROUNDS);
    await reportFields(report, a, b);
    await Promise.all([a.close(), b.close()]);
  } finally {
    await other.close();
    await worker[Symbol.asyncDispose]();
  }
}

async function startDevice(name, context, port) {
  const proxy = await CountingProxy.start(port);
  const page = await openPage(context, `${proxy.origin}/device.html`);
  const call = (verb, ...given) => page.evaluate(([method, all]) => globalThis.device[method](...all), [verb, given]);
  const close = async () => {
    await page.close();
    await proxy.close();
  };
  return { name, proxy, call, close };
}

/** Each round copies the list from one fresh device into another, then into a third that comes later. */
async function reportCopies(report, a, b, rounds) {
  const rows = facilities();
  const copies = [];
  for (let round = 0; round < rounds; round++) copies.push(await copy(a, b, rows, `copy-${round}`));
  report.figures('copies', copies);
  const of = (name) => copies.map((one) => one[name]);
  const line = (title, name, unit) => [title, unit, number(median(of(name))), number(Math.min(...of(name))), number(Math.max(...of(name)))];
  report.table(`${number(rows.length)} facilities, one transaction, ${rounds} rounds`, ['', 'unit', 'median', 'least', 'most'], [
    line('durable on A → shown by B, which is connected and empty', 'total', 'ms'),
    line('  of which after the first message to B', 'othersPart', 'ms'),
    line('  bytes from A', 'up', 'bytes'),
    line('  bytes to A', 'upAnswer', 'bytes'),
    line('  bytes to B', 'down', 'bytes'),
    line('open() of a device that comes later → all rows', 'later', 'ms'),
    line('  bytes to it', 'laterDown', 'bytes'),
  ]);
  report.atMost('facilities: durable on A to durable on B', median(of('total')), 2_000, 'ms');
  report.atMost('facilities: B’s part', median(of('othersPart')), 1_000, 'ms');
  report.atMost('facilities: bytes from A', median(of('up')), 330_000, 'bytes');
  report.atMost('facilities: bytes to B', median(of('down')), 330_000, 'bytes');
}

async function copy(a, b, rows, space) {
  await Promise.all([a, b].map((device) => device.call('openDevice', `${space}-${device.name}`, space)));
  await Promise.all([a, b].map((device) => device.call('settled')));
  await quiet(a, b);
  const shown = b.call('whenCountIs', rows.length).then(() => performance.now());
  await a.call('insertAll', rows);
  const durable = performance.now();
  const arrived = await shown;
  await a.call('settled');
  await quiet(a, b, { keep: true });
  const result = {
    total: arrived - durable,
    othersPart: arrived - b.proxy.first('down').at,
    up: a.proxy.bytes('up'),
    upAnswer: a.proxy.bytes('down'),
    down: b.proxy.bytes('down'),
  };
  await requireEqual(a, b);
  await b.call('close');
  const late = await copyLater(b, rows, space);
  await requireEqual(a, b);
  await Promise.all([a.call('close'), b.call('close')]);
  return { ...result, ...late };
}

async function copyLater(device, rows, space) {
  device.proxy.reset();
  const start = performance.now();
  await device.call('openDevice', `${space}-later`, space);
  await device.call('whenCountIs', rows.length);
  const later = performance.now() - start;
  return { later, laterDown: device.proxy.bytes('down') };
}

/** One field after the other, each only when everything about the former has passed. */
async function reportFields(report, a, b) {
  const changes = await changeFields(a, b);
  report.figures('fields', changes);
  const of = (name) => changes.map((change) => change[name]);
  const line = (title, name, unit) => [title, unit, number(median(of(name))), number(quantile(of(name), 0.95)), number(Math.max(...of(name)))];
  report.table(`One changed field, ${changes.length} changes`, ['', 'unit', 'median', '95 %', 'most'], [
    line('change asked for on A → durable on A', 'local', 'ms'),
    line('change asked for on A → shown by B’s watch', 'latency', 'ms'),
    line('  change asked for on A → its message leaves A', 'sending', 'ms'),
    line('  → the commit’s message reaches B', 'deciding', 'ms'),
    line('  → shown by B’s watch', 'showing', 'ms'),
  ]);
  const bytes = (title, name) => [title, ...FIELDS.map(({ column }) => number(median(changes.filter((one) => one.column === column).map((one) => one[name])))), number(median(of(name)))];
  report.table('Bytes of one changed field, by what was changed; medians', ['', ...FIELDS.map(({ column, value }) => `${column} → ${value}`), 'all'], [
    bytes('up at the author', 'up'),
    bytes('down at the author: receipt and own commit', 'answer'),
    bytes('down at the other', 'down'),
    bytes('up at the other', 'acknowledgement'),
  ]);
  report.atMost('one field: bytes up at the author', median(of('up')), 60, 'bytes');
  report.atMost('one field: bytes down at the author', median(of('answer')), 60, 'bytes');
  report.atMost('one field: bytes down at the other', median(of('down')), 60, 'bytes');
  report.atMost('one field: time to the other’s watch', median(of('latency')), 12, 'ms');
}

async function changeFields(a, b) {
  const space = 'fields';
  await Promise.all([a, b].map((device) => device.call('openDevice', `${space}-${device.name}`, space)));
  const shown = b.call('whenCountIs', 1_000);
  await a.call('insertAll', facilities().slice(0, 1_000));
  await shown;
  const keys = await b.call('someKeys', FIELD_WARM_UP + FIELD_CHANGES);
  const changes = [];
  for (const [index, key] of keys.entries()) {
    changes.push(await changeField(a, b, key, FIELDS[index % FIELDS.length]));
  }
  await Promise.all([a, b].map((device) => device.call('close')));
  return changes.slice(FIELD_WARM_UP);
}

async function changeField(a, b, key, { column, value }) {
  const [aheadA, aheadB] = [await clockOf(a), await clockOf(b)];
  await b.call('watchField', key, column, value);
  await quiet(a, b);
  const { asked, durable } = await a.call('changeField', key, column, value);
  const seen = await b.call('whenSeen', key);
  await quiet(a, b, { keep: true });
  const [started, shown] = [asked - aheadA, seen - aheadB];
  const [left, reached] = [a.proxy.first('up').at, b.proxy.first('down').at];
  return {
    column,
    local: durable - asked,
    latency: shown - started,
    sending: left - started,
    deciding: reached - left,
    showing: shown - reached,
    up: a.proxy.bytes('up'),
    answer: a.proxy.bytes('down'),
    down: b.proxy.bytes('down'),
    acknowledgement: b.proxy.bytes('up'),
  };
}

/** How far a page's clock is ahead of this process's, to a fraction of a millisecond. */
async function clockOf(device) {
  let best = { way: Infinity, ahead: 0 };
  for (let sample = 0; sample < CLOCK_SAMPLES; sample++) {
    const before = performance.now();
    const there = await device.call('now');
    const after = performance.now();
    if (after - before < best.way) best = { way: after - before, ahead: there - (before + after) / 2 };
  }
  return best.ahead;
}

/** Waits until no message has passed for a while; starts counting afresh unless the counts are to be kept. */
async function quiet(a, b, { keep = false } = {}) {
  const count = () => a.proxy.records.length + b.proxy.records.length;
  for (let before = -1; before !== count(); ) {
    before = count();
    await pause(QUIET_MS);
  }
  if (keep) return;
  a.proxy.reset();
  b.proxy.reset();
}

async function requireEqual(a, b) {
  const [mine, yours] = await Promise.all([a.call('digest'), b.call('digest')]);
  if (mine !== yours) throw new Error('the two devices hold different rows');
}
