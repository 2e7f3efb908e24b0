/**
 * A device of the sync part: opens a synced database and does what it is told through `device`.
 * It tells times on its own clock; `parts/sync.mjs` calls it and knows how the clocks differ.
 */
import { open, type Database } from 'ebbtide';
import { schema } from './schema.ts';

type Cells = (string | number | null)[];
type Column = 'name' | 'ownership' | 'lat';
type Fields = Record<Column, string | number | null>;

const INSERT = `INSERT INTO facility (country, iso3, admin1, name, type, ownership, lat, lon, location_source)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;

let db: Database;

/** Milliseconds since 1970 with fractions, which two browsers on one machine can agree on. */
const now = () => performance.timeOrigin + performance.now();

async function openDevice(name: string, space: string): Promise<void> {
  const token = async () => {
    const query = new URLSearchParams({ user: name, spaces: space });
    const response = await fetch(`/ebbtide/dev/token?${query}`, { method: 'POST' });
    if (!response.ok) throw new Error(`no token: ${response.status} ${await response.text()}`);
    return ((await response.json()) as { token: string }).token;
  };
  const here = (file: string) => new URL(file, location.href).href;
  const sync = { url: here('/ebbtide'), space, token };
  db = await open({ name, schema, sync, workerUrl: here('/ebbtide-worker.js'), wasmUrl: here('/ebbtide.wasm') });
}

/** Waits until nothing is pending and the device is in step with its space. */
async function settled(): Promise<void> {
  const isSettled = () => db.sync.status.state === 'idle' && db.sync.status.pending === 0;
  while (!isSettled()) {
    await new Promise((resolve) => {
      db.sync.addEventListener('status', resolve, { once: true });
      setTimeout(resolve, 50);
    });
  }
}

/** Puts all rows in with one transaction; answers when they were durable. */
async function insertAll(rows: Cells[]): Promise<number> {
  await db.execMany(INSERT, rows);
  return now();
}

/** Answers when a live query showed so many rows for the first time. */
async function whenCountIs(count: number): Promise<number> {
  for await (const [row] of db.watch<{ n: number }>('SELECT count(*) AS n FROM facility')) {
    if (row?.n === count) return now();
  }
  throw new Error('the database was closed before all rows had come');
}

/** Keys in the order in which the rows came. */
async function allKeys(): Promise<string[]> {
  return (await db.query<{ id: string }>('SELECT id FROM facility ORDER BY rowid')).map((row) => row.id);
}

/**
 * Opens a device in a space that has rows; answers after how long the counts were shown for the first time, in
 * milliseconds, and how long the page's longest task took meanwhile.
 */
async function arrive(name: string, space: string, counts: number[]): Promise<{ reached: number[]; longestTask: number }> {
  let longestTask = 0;
  const note = (entries: PerformanceEntryList) => entries.forEach((task) => { longestTask = Math.max(longestTask, task.duration); });
  const observer = new PerformanceObserver((list) => note(list.getEntries()));
  observer.observe({ type: 'longtask' });
  const started = now();
  await openDevice(name, space);
  const reached: number[] = [];
  for await (const [row] of db.watch<{ n: number }>('SELECT count(*) AS n FROM facility')) {
    while (reached.length < counts.length && row!.n >= counts[reached.length]!) reached.push(now() - started);
    if (reached.length === counts.length) break;
  }
  await settled();
  note(observer.takeRecords());
  observer.disconnect();
  return { reached, longestTask };
}

/** Keys in an order that has nothing to do with how the rows came. */
async function someKeys(count: number): Promise<string[]> {
  const rows = await db.query<{ id: string }>('SELECT id FROM facility ORDER BY substr(id, -6) LIMIT ?', [count]);
  return rows.map((row) => row.id);
}

/** Changes one field; answers when it was asked to, and when the change was durable here. */
async function changeField(id: string, column: Column, value: string | number): Promise<{ asked: number; durable: number }> {
  const asked = now();
  await db.exec(`UPDATE facility SET ${column} = ? WHERE id = ?`, [value, id]);
  return { asked, durable: now() };
}

const seen = new Map<string, Promise<number>>();

/** Starts to watch a row; resolves when its first answer is there. `whenSeen` tells when it showed the value. */
async function watchField(id: string, column: Column, value: string | number): Promise<void> {
  const rows = db.watch<Fields>('SELECT * FROM facility WHERE id = ?', [id]);
  await rows.next();
  seen.set(id, shows(rows, column, value));
}

async function shows(rows: AsyncIterableIterator<Fields[]>, column: Column, value: string | number): Promise<number> {
  for await (const [row] of rows) {
    if (row?.[column] === value) return now();
  }
  throw new Error('the database was closed before the change had come');
}

async function whenSeen(id: string): Promise<number> {
  const promise = seen.get(id);
  if (promise === undefined) throw new Error(`nobody watches ${id}`);
  return promise;
}

/** All rows as one text, so that two devices can be compared. */
async function digest(): Promise<string> {
  const text = JSON.stringify(await db.query('SELECT * FROM facility ORDER BY id'));
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const device = {
  now, openDevice, settled, insertAll, whenCountIs, someKeys, changeField, watchField, whenSeen, digest, allKeys, arrive,
  close: () => db.close(),
};
Object.assign(globalThis, { device });
