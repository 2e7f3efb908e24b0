/**
 * The page of the local part: runs one contender for one round, in a fresh database or against a full one.
 * Which contender comes when is decided outside. `parts/local.mjs` calls `bench` in it.
 */
import { open } from 'ebbtide';
import { runCalls, type PageDatabase } from './async-loop.ts';
import { BenchWorker } from './messages.ts';
import { schemaOf } from './schema.ts';
import { INSERT, makeRows, SELECT, type Counts, type Timings, type Value } from './workload.ts';

/** Which code, driven from where. */
export interface Contender {
  readonly engine: 'official' | 'ebbtide';
  readonly captured: boolean;
  readonly from: 'worker' | 'page';
}

const absolute = (path: string) => new URL(path, location.href).href;
let databases = 0;

/** A name that was never used: every round starts with an empty database. */
function freshName(): string {
  return `round-${Date.now().toString(36)}-${databases++}`;
}

async function runRound(contender: Contender, counts: Counts): Promise<Timings> {
  const name = freshName();
  const run = contender.from === 'worker' ? loopsInWorker : callsFromPage;
  const timings = await run(contender, name, counts);
  await removeFiles(contender.engine, name);
  return timings;
}

async function loopsInWorker(contender: Contender, name: string, counts: Counts): Promise<Timings> {
  const worker = new BenchWorker(absolute(`/local-${contender.engine}.js`));
  try {
    await worker.call('open', { name, captured: contender.captured, wasmUrl: absolute('/ebbtide.wasm') });
    const timings = await worker.call('loops', counts);
    await worker.call('close', null);
    return timings;
  } finally {
    worker.terminate();
  }
}

async function callsFromPage(contender: Contender, name: string, counts: Counts): Promise<Timings> {
  const database = await openFromPage(contender, name, '');
  const timings = await runCalls(database, counts);
  await database.close();
  return timings;
}

type Closable = PageDatabase & { close(): Promise<void> };

/** Opens through the package, or through the minimal wrapper around the official build. */
async function openFromPage(contender: Contender, name: string, prefix: string): Promise<Closable> {
  return contender.engine === 'ebbtide' ? openEbbtide(contender, name, prefix) : openOfficial(name, prefix);
}

async function openEbbtide(contender: Contender, name: string, prefix: string): Promise<Closable> {
  const workerUrl = absolute(`${prefix}/ebbtide-worker.js`);
  return open({ name, schema: schemaOf(contender.captured), workerUrl, wasmUrl: absolute(`${prefix}/ebbtide.wasm`) });
}

async function openOfficial(name: string, prefix: string): Promise<Closable> {
  const worker = new BenchWorker(absolute(`${prefix}/local-official.js`));
  await worker.call('open', { name, captured: false, wasmUrl: '' });
  return {
    exec: (sql: string, parameters: Value[]) => worker.call('exec', { sql, parameters }),
    execMany: (sql: string, rows: Value[][]) => worker.call('execMany', { sql, rows }),
    get: (sql: string, parameters: Value[]) => worker.call('get', { sql, parameters }),
    close: async () => {
      await worker.call('close', null);
      worker.terminate();
    },
  };
}

/** A database with many rows, to be opened cold again and again. */
async function prepareCold(contender: Contender, rows: number): Promise<string> {
  const name = freshName();
  const database = await openFromPage(contender, name, '');
  await database.execMany(INSERT, coldRows(rows));
  await database.close();
  return name;
}

function coldRows(rows: number): Value[][] {
  return makeRows({ bulk: rows, largeBulk: 0, updates: 0, transactions: 0, selects: 0 }).bulk;
}

/** From nothing to the first row: milliseconds until a fresh worker has answered a point select. */
async function openCold(contender: Contender, name: string, key: string, cached: boolean): Promise<number> {
  const start = performance.now();
  const database = await openFromPage(contender, name, cached ? '' : '/fresh');
  const row = await database.get(SELECT, [key]);
  const duration = performance.now() - start;
  if (row?.['id'] !== key) throw new Error('the database that was opened is not the one that was written');
  await database.close();
  return duration;
}

/** Files of a worker that has just ended may stay locked for a moment. */
async function removeFiles(engine: Contender['engine'], name: string): Promise<void> {
  const root = await navigator.storage.getDirectory();
  const folder = engine === 'official' ? root : await root.getDirectoryHandle('.ebbtide');
  for (let attempt = 0; ; attempt++) {
    try {
      return await folder.removeEntry(name, { recursive: true });
    } catch (thrown) {
      if (attempt === 100) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

const bench = { runRound, prepareCold, openCold, firstKey: () => coldRows(1)[0]![0] as string, removeFiles };
Object.assign(globalThis, { bench });
