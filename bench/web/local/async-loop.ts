/**
 * The same loops from the page: every call is awaited before the next is made, as an app does.
 * They know a database only by its verbs. `page.ts` runs them for both contenders.
 */
import { INSERT, makeRows, SELECT, someKeys, UPDATE, type Counts, type Timings, type Value } from './workload.ts';

/** A contender seen from the page. */
export interface PageDatabase {
  exec(sql: string, parameters: Value[]): Promise<unknown>;
  /** One transaction. */
  execMany(sql: string, rows: Value[][]): Promise<unknown>;
  get(sql: string, parameters: Value[]): Promise<Record<string, unknown> | undefined>;
}

/** Runs every measurement once, in a fresh database with its table. */
export async function runCalls(database: PageDatabase, counts: Counts): Promise<Timings> {
  const rows = makeRows(counts);
  const all = [...rows.bulk, ...rows.largeBulk];
  const selected = someKeys(all, counts.selects);
  const updated = someKeys(all, counts.updates).map((id, index): Value[] => [`note ${index}`, id]);
  const updatedSingly = someKeys(all, counts.transactions);
  return {
    bulk: await timed(() => database.execMany(INSERT, rows.bulk)),
    largeBulk: await timed(() => database.execMany(INSERT, rows.largeBulk)),
    updates: await timed(() => database.execMany(UPDATE, updated)),
    insertTransactions: await timed(async () => {
      for (const row of rows.single) await database.exec(INSERT, row);
    }),
    updateTransactions: await timed(async () => {
      for (const id of updatedSingly) await database.exec(UPDATE, ['changed', id]);
    }),
    selects: await timed(async () => {
      for (const id of selected) requireRow(await database.get(SELECT, [id]), id);
    }),
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function requireRow(row: Record<string, unknown> | undefined, id: string): void {
  if (row?.['id'] !== id) throw new Error(`no row for ${id}`);
}
