/**
 * The loops that run beside the wasm, inside the worker.
 * They know an engine only by its verbs, so both contenders run the very same code. The two workers call them.
 */
import { makeRows, someKeys, type Counts, type Row, type Timings } from './workload.ts';

/** A contender inside its worker: the database is open and the table exists. */
export interface Engine {
  /** All rows in one transaction. */
  insertMany(rows: readonly Row[]): void;
  /** One row, durable when it returns. */
  insertOne(row: Row): void;
  /** One field of each row, all in one transaction. */
  updateMany(pairs: readonly [string, string][]): void;
  updateOne(note: string, id: string): void;
  /** The row as an object. */
  select(id: string): Record<string, unknown> | undefined;
}

/** Runs every measurement once, in a fresh database. */
export function runLoops(engine: Engine, counts: Counts): Timings {
  const rows = makeRows(counts);
  const all = [...rows.bulk, ...rows.largeBulk];
  const selected = someKeys(all, counts.selects);
  const updated = someKeys(all, counts.updates).map((id, index): [string, string] => [`note ${index}`, id]);
  const updatedSingly = someKeys(all, counts.transactions);
  return {
    bulk: timed(() => engine.insertMany(rows.bulk)),
    largeBulk: timed(() => engine.insertMany(rows.largeBulk)),
    updates: timed(() => engine.updateMany(updated)),
    insertTransactions: timed(() => rows.single.forEach((row) => engine.insertOne(row))),
    updateTransactions: timed(() => updatedSingly.forEach((id, index) => engine.updateOne(`changed ${index}`, id))),
    selects: timed(() => selected.forEach((id) => requireRow(engine.select(id), id))),
  };
}

function timed(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

function requireRow(row: Record<string, unknown> | undefined, id: string): void {
  if (row?.['id'] !== id) throw new Error(`no row for ${id}`);
}
