/**
 * Live queries in real Chromium: when they answer, when they keep quiet, how they end.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as Ebbtide from '../../../npm/src/index.ts';
import { useFixture } from '../harness/fixture.ts';
import { SCHEMA } from '../harness/schema.ts';

declare const ebbtide: typeof Ebbtide;

const fixture = useFixture();

test('JS-08 a live query answers now and after each change of its rows, and only then', async () => {
  const seen = await fixture.page.evaluate(async (schema) => {
    await using db = await ebbtide.open({ name: 'watched', schema });
    const stop = new AbortController();
    const seen: number[] = [];
    const reading = (async () => {
      for await (const rows of db.watch('SELECT id FROM household WHERE name = ?', ['x'], { signal: stop.signal })) seen.push(rows.length);
      return 'ended';
    })();
    const settle = () => new Promise((resolve) => setTimeout(resolve, 50));
    await settle();
    await db.exec("INSERT INTO household (id, name) VALUES ('a', 'x')");
    await settle();
    await db.exec("INSERT INTO household (id, name) VALUES ('b', 'other')");
    await db.exec('INSERT INTO thing (value) VALUES (1)');
    await settle();
    await db.transaction(async (tx) => {
      await tx.exec("INSERT INTO household (id, name) VALUES ('c', 'x')");
      await new Promise((resolve) => setTimeout(resolve, 50));
      seen.push(-1);
      await tx.exec("INSERT INTO household (id, name) VALUES ('d', 'x')");
    });
    await settle();
    await db.transaction(async (tx) => {
      await tx.exec('DELETE FROM household');
      throw new Error('no');
    }).catch(() => undefined);
    await settle();
    stop.abort();
    return [seen, await reading];
  }, SCHEMA);
  assert.deepEqual(seen, [[0, 1, -1, 3], 'ended']);
});

test('JS-08 a slow reader gets the latest rows, not every step', async () => {
  const seen = await fixture.page.evaluate(async (schema) => {
    await using db = await ebbtide.open({ name: 'slow', schema });
    const seen: number[] = [];
    for await (const [row] of db.watch<{ n: number }>('SELECT count(*) AS n FROM household')) {
      seen.push(row!.n);
      if (row!.n === 20) break;
      for (let index = 0; index < 10; index++) await db.exec('INSERT INTO household DEFAULT VALUES');
    }
    return seen;
  }, SCHEMA);
  assert.deepEqual(seen, [0, 10, 20]);
});

test('JS-08 views, joins and writes through triggers and cascades are noticed', async () => {
  const seen = await fixture.page.evaluate(async (schema) => {
    await using db = await ebbtide.open({ name: 'joined', schema });
    await db.exec('CREATE VIEW given AS SELECT sum(doses) AS doses FROM visit');
    await db.exec("INSERT INTO household (id) VALUES ('h')");
    const seen: unknown[] = [];
    for await (const [row] of db.watch<{ doses: number | null }>('SELECT doses FROM given')) {
      seen.push(row!.doses);
      if (seen.length === 1) await db.exec("INSERT INTO visit (household, doses) VALUES ('h', 3)");
      else if (seen.length === 2) await db.exec("DELETE FROM household");
      else break;
    }
    return seen;
  }, SCHEMA);
  assert.deepEqual(seen, [null, 3, null]);
});

test('JS-08 a live query that cannot be prepared says why', async () => {
  const code = await fixture.page.evaluate(async (schema) => {
    await using db = await ebbtide.open({ name: 'wrong', schema });
    try {
      for await (const rows of db.watch('SELECT * FROM nowhere')) return rows.length;
    } catch (error) {
      return (error as Ebbtide.EbbtideError).code;
    }
    return 'ended';
  }, SCHEMA);
  assert.equal(code, 'sql_error');
});
