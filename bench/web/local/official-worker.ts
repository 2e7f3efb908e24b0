/**
 * The official build of SQLite on opfs-sahpool, driven as its documentation advises: prepared statements, bound by position.
 * The pragmas are those that Ebbtide sets. `page.ts` starts it.
 */
import sqlite3InitModule, { type Database, type PreparedStatement, type SAHPoolUtil } from '@sqlite.org/sqlite-wasm';
import { answerCalls } from './messages.ts';
import { runLoops, type Engine } from './sync-loop.ts';
import { INSERT, PRAGMAS, SELECT, TABLE, UPDATE, type Row, type Value } from './workload.ts';

let database: Database;
let pool: SAHPoolUtil;
const statements = new Map<string, PreparedStatement>();

function prepared(sql: string): PreparedStatement {
  const known = statements.get(sql);
  if (known !== undefined) return known;
  const statement = database.prepare(sql);
  statements.set(sql, statement);
  return statement;
}

function run(statement: PreparedStatement, values: readonly Value[]): void {
  statement.bind(values as Value[]).stepReset();
}

function inTransaction(work: () => void): void {
  database.exec('BEGIN IMMEDIATE');
  work();
  database.exec('COMMIT');
}

const engine: Engine = {
  insertMany(rows: readonly Row[]) {
    const statement = prepared(INSERT);
    inTransaction(() => rows.forEach((row) => run(statement, row)));
  },
  insertOne: (row) => run(prepared(INSERT), row),
  updateMany(pairs) {
    const statement = prepared(UPDATE);
    inTransaction(() => pairs.forEach((pair) => run(statement, pair)));
  },
  updateOne: (note, id) => run(prepared(UPDATE), [note, id]),
  select: (id) => first(SELECT, [id]),
};

function first(sql: string, parameters: Value[]): Record<string, unknown> | undefined {
  const statement = prepared(sql).bind(parameters);
  try {
    return statement.step() ? (statement.get({}) as Record<string, unknown>) : undefined;
  } finally {
    statement.reset();
  }
}

answerCalls({
  async open({ name }) {
    const sqlite3 = await sqlite3InitModule();
    pool = await sqlite3.installOpfsSAHPoolVfs({ name: 'bench', directory: `/${name}`, initialCapacity: 4 });
    database = new pool.OpfsSAHPoolDb('/bench.db');
    database.exec(PRAGMAS);
    const journal = database.selectValue('PRAGMA journal_mode');
    if (journal !== 'wal') throw new Error(`the journal mode is ${String(journal)}, not wal`);
    database.exec(TABLE.replace('CREATE TABLE', 'CREATE TABLE IF NOT EXISTS'));
    return null;
  },
  loops: (counts) => runLoops(engine, counts),
  exec({ sql, parameters }) {
    run(prepared(sql), parameters);
    return database.changes();
  },
  execMany({ sql, rows }) {
    const statement = prepared(sql);
    inTransaction(() => rows.forEach((row) => run(statement, row)));
    return rows.length;
  },
  get: ({ sql, parameters }) => first(sql, parameters),
  close() {
    statements.forEach((statement) => statement.finalize());
    statements.clear();
    database.close();
    pool.pauseVfs();
    return null;
  },
});
