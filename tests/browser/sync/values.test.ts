/**
 * Values and keys on their whole way: OPFS, the wire, the object's SQLite, where numbers cross as doubles, and another browser's OPFS.
 * They are compared by SQLite's own `typeof` and `quote`, so that nothing that JavaScript cannot tell apart hides.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestDevice } from '../harness/device.ts';
import { startSite, type Site } from '../harness/site.ts';
import { until } from '../harness/until.ts';

let site: Site;
let spaces = 0;

before(async () => { site = await startSite('values-server.ts'); });
after(() => site[Symbol.asyncDispose]());

async function two(): Promise<[TestDevice, TestDevice]> {
  const options = { space: `values-${spaces++}`, app: 'values' } as const;
  return [await site.device({ ...options, user: 'ann' }), await site.device({ ...options, user: 'bob' })];
}

async function sameRows(sql: string, from: TestDevice, ...others: TestDevice[]): Promise<Record<string, unknown>[]> {
  await from.inStep();
  const { cursor } = await from.status();
  const expected = await from.rows(sql);
  for (const other of others) {
    await until('the other has come as far', async () => (await other.status()).cursor === cursor);
    await other.inStep();
    assert.deepEqual(await other.rows(sql), expected);
  }
  return expected;
}

const INTEGERS = ['0', '-1', '9007199254740991', '9007199254740993', '-9007199254740993', '9223372036854775807', '(-9223372036854775807 - 1)'];
const REALS = ['0.0', '-0.0', '3.0', '0.1', '5e-324', '2.2250738585072009e-308', '1.7976931348623157e308', '9e999', '-9e999', '1e999 - 1e999'];
const CELLS = `SELECT id, typeof(i) AS ti, i || '' AS i, typeof(r) AS tr, quote(r) AS r, printf('%!.20e', r) AS digits, typeof(t) AS tt, hex(t) AS t, quote(b) AS b,
  typeof(a) AS ta, quote(a) AS a, printf('%!.20e', a) AS da FROM cell ORDER BY id`;

test('JS-157 every value arrives as it was written, by insert and by update', async () => {
  const [ann, bob] = await two();
  await using _ann = ann;
  await using _bob = bob;
  for (const [at, value] of INTEGERS.entries()) await ann.exec(`INSERT INTO cell (id, i, a) VALUES ('i${at}', ${value}, ${value})`);
  for (const [at, value] of REALS.entries()) await ann.exec(`INSERT INTO cell (id, r, a) VALUES ('r${at}', ${value}, ${value})`);
  await ann.exec("INSERT INTO cell (id, t, a) VALUES ('t0', '', ''), ('t1', 'a' || char(0) || 'b', '5.0'), ('t2', char(128512, 233, 101, 769), char(65535)), ('t3', NULL, NULL)");
  await ann.exec("INSERT INTO cell (id, t) SELECT 'long', replace(hex(zeroblob(300000)), '0', 'é')");
  await ann.exec("INSERT INTO cell (id, b, a) VALUES ('b0', x'', x''), ('b1', x'00ff', x'31'), ('b2', NULL, zeroblob(70000))");
  const rows = await sameRows(CELLS, ann, bob);
  const of = (id: string) => rows.find((row) => row['id'] === id)!;
  assert.deepEqual([of('i5')['i'], of('i6')['i'], of('i3')['a']], ['9223372036854775807', '-9223372036854775808', '9007199254740993']);
  assert.deepEqual([of('r7')['r'], of('r9')['tr'], of('r2')['ta'], of('t1')['ta'], of('b1')['ta']], ['9.0e+999', 'null', 'real', 'text', 'blob']);
  assert.equal(String(of('long')['t']).length, 2 * (600_000 * 2));

  for (const at of [...INTEGERS, ...REALS].keys()) await bob.exec(`INSERT INTO cell (id, a) VALUES ('u${at}', 'text before')`);
  await sameRows(CELLS, bob, ann);
  for (const [at, value] of [...INTEGERS, ...REALS].entries()) await ann.exec(`UPDATE cell SET a = ${value} WHERE id = 'u${at}'`);
  const updated = await sameRows(CELLS, ann, bob);
  assert.ok(!updated.some(({ a }) => a === "'text before'"));
  // Infinities and signed zeros are told apart in the object too: a newcomer gets them from its tables.
  await using cid = await site.device({ user: 'cid', space: 'values-0', app: 'values' });
  await sameRows(CELLS, ann, cid);
});

test('JS-157 columns that convert what they are given hold the same everywhere', async () => {
  const [ann, bob] = await two();
  await using _ann = ann;
  await using _bob = bob;
  await ann.exec("INSERT INTO loose VALUES ('a', '5', 5, '5'), ('b', '5.0', 5.5, 5.0), ('c', 'x', x'00', 9007199254740993), ('d', '1e999', -0.0, -0.0), ('e', 9223372036854775807, '', NULL)");
  const shown = 'SELECT id, typeof(n) AS tn, quote(n) AS n, typeof(t) AS tt, quote(t) AS t, typeof(plain) AS tp, quote(plain) AS plain FROM loose ORDER BY id';
  await sameRows(shown, ann, bob);
  await bob.exec("UPDATE loose SET n = '7', t = 7, plain = '7'");
  const rows = await sameRows(shown, bob, ann);
  assert.deepEqual(rows.map(({ n, t, plain }) => [n, t, plain]), rows.map(() => ['7', "'7'", "'7'"]));
});

test('JS-158 composite keys, blobs in keys, changed keys, swapped unique values and references to oneself', async () => {
  const [ann, bob] = await two();
  await using _ann = ann;
  await using _bob = bob;
  await ann.exec("INSERT INTO pair VALUES ('', 0, x'', 'empty'), ('a', -9223372036854775807 - 1, x'00', 'low'), ('a', 9223372036854775807, x'00', 'high'), ('a', 0, x'0001', 'other')");
  await ann.exec("INSERT INTO place VALUES ('top', '1', NULL), ('below', '2', 'top'), ('self', '3', 'self')");
  const pairs = 'SELECT clinic, day || \'\' AS day, hex(tag) AS tag, name FROM pair ORDER BY 1, 2, 3';
  const places = 'SELECT * FROM place ORDER BY id';
  await sameRows(pairs, ann, bob);
  await sameRows(places, ann, bob);
  await bob.exec("UPDATE pair SET name = 'edited' WHERE day = 9223372036854775807");
  await bob.exec("UPDATE pair SET clinic = 'b', tag = x'ff' WHERE tag = x'0001'");
  await bob.exec('DELETE FROM pair WHERE day < 0');
  await bob.exec("UPDATE place SET id = 'summit' WHERE id = 'top'");
  await bob.page.evaluate(() => db.transaction(async (tx) => {
    await tx.exec("UPDATE place SET code = 'x' WHERE id = 'summit'");
    await tx.exec("UPDATE place SET code = '1' WHERE id = 'below'");
    await tx.exec("UPDATE place SET code = '2' WHERE id = 'summit'");
  }));
  assert.deepEqual(await sameRows(pairs, bob, ann), [
    { clinic: '', day: '0', tag: '', name: 'empty' }, { clinic: 'a', day: '9223372036854775807', tag: '00', name: 'edited' }, { clinic: 'b', day: '0', tag: 'FF', name: 'other' },
  ]);
  assert.deepEqual(await sameRows(places, bob, ann), [
    { id: 'below', code: '1', parent: 'summit' }, { id: 'self', code: '3', parent: 'self' }, { id: 'summit', code: '2', parent: null },
  ]);
  await ann.exec("DELETE FROM place WHERE id IN ('summit', 'self')");
  assert.deepEqual(await sameRows(places, ann, bob), [{ id: 'below', code: '1', parent: null }]);
  for (const device of [ann, bob]) assert.deepEqual([(await device.status()).failed, (await device.rows('PRAGMA foreign_key_check')).length], [0, 0]);
});
