/**
 * Statements, values, transactions and their errors on OPFS in real Chromium.
 * The page uses what the package exports and nothing else.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as Ebbtide from '../../../npm/src/index.ts';
import { useFixture } from '../harness/fixture.ts';
import { SCHEMA } from '../harness/schema.ts';

declare const ebbtide: typeof Ebbtide;

const fixture = useFixture();

test('JS-01 what was written is there after closing and opening again', async () => {
  const found = await fixture.page.evaluate(async (schema) => {
    const options = { name: 'basics', schema };
    const db = await ebbtide.open(options);
    const { changes } = await db.exec('INSERT INTO household (id, name) VALUES (?, ?)', ['a', 'North']);
    const first = await db.query('SELECT * FROM household');
    await db.close();
    await using again = await ebbtide.open(options);
    const second = await again.query('SELECT * FROM household');
    const one = await again.get('SELECT name FROM household WHERE id = ?', ['a']);
    const none = await again.get('SELECT name FROM household WHERE id = ?', ['b']);
    return { changes, first, second, one, none: none === undefined };
  }, SCHEMA);
  const rows = [{ id: 'a', name: 'North' }];
  assert.deepEqual(found, { changes: 1, first: rows, second: rows, one: { name: 'North' }, none: true });
});

test('JS-02 the journal is a WAL under exclusive locking, and every commit is flushed unless relaxed', async () => {
  const found = await fixture.page.evaluate(async (schema) => {
    const read = async (durability: 'full' | 'relaxed') => {
      await using db = await ebbtide.open({ name: `pragmas-${durability}`, schema, durability });
      const one = async (sql: string) => Object.values((await db.get(sql))!)[0];
      return [await one('PRAGMA journal_mode'), await one('PRAGMA locking_mode'), await one('PRAGMA synchronous'), await one('PRAGMA foreign_keys')];
    };
    return [await read('full'), await read('relaxed')];
  }, SCHEMA);
  assert.deepEqual(found, [['wal', 'exclusive', 2, 1], ['wal', 'exclusive', 1, 1]]);
});

test('JS-11 every value survives the way into SQLite and back', async () => {
  const found = await fixture.page.evaluate(async (schema) => {
    await using db = await ebbtide.open({ name: 'values', schema });
    const values = [
      null, 0, -0, 1, -1, 2 ** 31, -(2 ** 31) - 1, Number.MAX_SAFE_INTEGER, 2n ** 53n, -(2n ** 63n), 2n ** 63n - 1n,
      0.1, 5e-324, 1.7976931348623157e308, Infinity, -Infinity, '', 'plain', 'é😀\0 end', 'x'.repeat(100_000), true, false,
      new Uint8Array(), new Uint8Array([0, 1, 255]), new Uint8Array(200_000).fill(7),
    ];
    await db.execMany('INSERT INTO thing (id, value) VALUES (?, ?)', values.map((value, id) => [id, value]));
    const rows = await db.query<{ id: number; value: unknown; kind: string }>('SELECT id, value, typeof(value) AS kind FROM thing ORDER BY id');
    const same = (a: unknown, b: unknown) =>
      b instanceof Uint8Array ? a instanceof Uint8Array && a.length === b.length && a.every((byte, i) => byte === b[i])
      : typeof b === 'boolean' ? a === Number(b) : Object.is(a, b);
    return { wrong: rows.filter((row) => !same(row.value, values[row.id])).map((row) => row.id), kinds: rows.map((row) => row.kind) };
  }, SCHEMA);
  assert.deepEqual(found.wrong, []);
  const kinds = ['null', 'integer', 'real', ...Array(8).fill('integer'), ...Array(5).fill('real'), ...Array(4).fill('text'), 'integer', 'integer', ...Array(3).fill('blob')];
  assert.deepEqual(found.kinds, kinds);
});

test('JS-13 a statement that fails names its SQL, has a code, and leaves the database usable', async () => {
  const failures = await fixture.page.evaluate(async (schema) => {
    await using db = await ebbtide.open({ name: 'errors', schema });
    await db.exec("INSERT INTO unique_thing (name) VALUES ('one')");
    const statements: [string, unknown[]?][] = [
      ['SELEKT 1'],
      ['SELECT * FROM nowhere'],
      ["INSERT INTO unique_thing (name) VALUES ('one')"],
      ['INSERT INTO unique_thing (name) VALUES (NULL)'],
      ["INSERT INTO visit (household) VALUES ('nobody')"],
      ["INSERT INTO visit (household, doses) VALUES ('nobody', -1)"],
      ["INSERT INTO visit (household, doses) VALUES ('nobody', 'many')"],
      ['SELECT 1; SELECT 2'],
      ['SELECT ?', []],
      ['SELECT ?', [1, 2]],
      ['SELECT ?', [undefined]],
      ['BEGIN'],
      ['COMMIT'],
      ['PRAGMA journal_mode = DELETE'],
      ["ATTACH 'other.db' AS other"],
      ['DELETE FROM _ebb_log'],
      ['DROP TABLE visit'],
    ];
    const failures = [];
    for (const [sql, parameters] of statements) {
      const error = await db.exec(sql, parameters as never).then(() => undefined, (thrown: unknown) => thrown as Ebbtide.EbbtideError);
      const alive = await db.get<{ n: number }>('SELECT count(*) AS n FROM unique_thing');
      failures.push([sql, error instanceof ebbtide.EbbtideError && error.code, error?.message.includes(sql), alive!.n]);
    }
    return failures;
  }, SCHEMA);
  const codes = [
    'sql_error', 'sql_error', 'constraint_unique', 'constraint_not_null', 'constraint_foreign_key', 'constraint_check', 'constraint',
    'multiple_statements', 'bad_parameter', 'bad_parameter', 'bad_parameter', 'raw_transaction', 'raw_transaction',
    'forbidden_statement', 'forbidden_statement', 'forbidden_statement', 'forbidden_statement',
  ];
  assert.deepEqual(failures.map((failure) => [failure[0], failure[1], failure[3]]), failures.map((failure, index) => [failure[0], codes[index], 1]));
  const unnamed = failures.filter((failure) => failure[2] !== true).map((failure) => failure[0]);
  assert.deepEqual(unnamed, ['SELECT ?'], 'only the parameter refused before it travels is not told with its statement');
});

test('JS-04 execMany is one transaction: all rows, or none', async () => {
  const found = await fixture.page.evaluate(async (schema) => {
    await using db = await ebbtide.open({ name: 'many', schema });
    const rows = Array.from({ length: 10_000 }, (_, index) => [`h${index}`, `name ${index}`]);
    const { changes } = await db.execMany('INSERT INTO household (id, name) VALUES (?, ?)', rows);
    const failed = await db.execMany('INSERT INTO household (id, name) VALUES (?, ?)', [['x', 'x'], ['h1', 'again']])
      .then(() => 'no error', (error: Ebbtide.EbbtideError) => error.code);
    const none = await db.execMany('INSERT INTO household (id, name) VALUES (?, ?)', []);
    return { changes, failed, none: none.changes, count: (await db.get<{ n: number }>('SELECT count(*) AS n FROM household'))!.n };
  }, SCHEMA);
  assert.deepEqual(found, { changes: 10_000, failed: 'constraint_unique', none: 0, count: 10_000 });
});

test('JS-05 a transaction commits as a whole, rolls back on a throw, and lets others wait', async () => {
  const found = await fixture.page.evaluate(async (schema) => {
    await using db = await ebbtide.open({ name: 'transactions', schema });
    const count = async () => (await db.get<{ n: number }>('SELECT count(*) AS n FROM household'))!.n;
    const seen: number[] = [];
    let other: Promise<number> | undefined;
    const answer = await db.transaction(async (tx) => {
      await tx.exec("INSERT INTO household (id) VALUES ('a')");
      other = count();
      await tx.execMany('INSERT INTO household (id) VALUES (?)', [['b'], ['c']]);
      seen.push((await tx.get<{ n: number }>('SELECT count(*) AS n FROM household'))!.n);
      return 'done';
    });
    seen.push(await other!);
    const thrown = await db.transaction(async (tx) => {
      await tx.exec("INSERT INTO household (id) VALUES ('d')");
      throw new RangeError('mine');
    }).catch((error: unknown) => (error as Error).name);
    seen.push(await count());
    let escaped: Ebbtide.Transaction | undefined;
    await db.transaction((tx) => { escaped = tx; });
    const late = await escaped!.exec('DELETE FROM household').catch((error: Ebbtide.EbbtideError) => error.code);
    return { answer, seen, thrown, late, left: await count() };
  }, SCHEMA);
  assert.deepEqual(found, { answer: 'done', seen: [3, 3, 3], thrown: 'RangeError', late: 'transaction_closed', left: 3 });
});

test('JS-06 a call on the database inside its own transaction ends in a typed error, not in a deadlock', async () => {
  const found = await fixture.page.evaluate(async (schema) => {
    await using db = await ebbtide.open({ name: 'nested', schema });
    const nested = await db.transaction(async () => {
      await db.exec("INSERT INTO household (id) VALUES ('outside')");
    }).then(() => 'no error', (error: Ebbtide.EbbtideError) => error.code);
    return { nested, count: (await db.query('SELECT * FROM household')).length };
  }, SCHEMA);
  assert.deepEqual(found, { nested: 'transaction_timeout', count: 1 });
});

test('JS-14 uuidv7() is there and rises', async () => {
  const ids = await fixture.page.evaluate(async (schema) => {
    await using db = await ebbtide.open({ name: 'ids', schema });
    const made: string[] = [];
    for (let index = 0; index < 50; index++) {
      made.push((await db.get<{ id: string }>("INSERT INTO household (name) VALUES ('x') RETURNING id"))!.id);
    }
    return made;
  }, SCHEMA);
  assert.match(ids[0]!, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual([...ids].sort(), ids);
  assert.equal(new Set(ids).size, 50);
});

test('JS-09 the export is a SQLite file with the rows', async () => {
  const { header, size, says } = await fixture.page.evaluate(async (schema) => {
    await using db = await ebbtide.open({ name: 'exported', schema });
    await db.execMany('INSERT INTO household (id, name) VALUES (?, ?)', [['a', 'needle-in-the-file']]);
    const bytes = await db.export();
    const text = new TextDecoder('latin1').decode(bytes);
    return { header: text.slice(0, 15), size: bytes.length, says: text.includes('needle-in-the-file') };
  }, SCHEMA);
  assert.equal(header, 'SQLite format 3');
  assert.ok(size % 512 === 0 && says);
});

test('JS-10 after close every call says so, and closing again does nothing', async () => {
  const codes = await fixture.page.evaluate(async (schema) => {
    const db = await ebbtide.open({ name: 'closed', schema });
    const reader = db.watch('SELECT * FROM household')[Symbol.asyncIterator]();
    await reader.next();
    const pending = reader.next();
    await db.close();
    await db.close();
    const code = (promise: Promise<unknown>) => promise.then(() => 'no error', (error: Ebbtide.EbbtideError) => error.code);
    return [await code(db.exec('SELECT 1')), await code(db.query('SELECT 1')), await code(db.export()), (await pending).done];
  }, SCHEMA);
  assert.deepEqual(codes, ['database_closed', 'database_closed', 'database_closed', true]);
});
