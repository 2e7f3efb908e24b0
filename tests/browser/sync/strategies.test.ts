/**
 * Every strategy and row rule through the package: two browsers that wrote without seeing each other, and what both hold afterwards.
 * The laws of the strategies are held in `core`; here the façade, the wasm and the Worker carry them.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestDevice } from '../harness/device.ts';
import { startSite, type Site } from '../harness/site.ts';
import { apart, together } from '../harness/together.ts';
import { until } from '../harness/until.ts';

let site: Site;
let spaces = 0;

before(async () => { site = await startSite('merging-server.ts'); });
after(() => site[Symbol.asyncDispose]());

/** Two devices that hold the row `v` of a table, and see nothing of each other until the test lets them. */
async function withRow(insert: string, table: string): Promise<[TestDevice, TestDevice]> {
  const options = { space: `strategies-${spaces++}`, app: 'merging' } as const;
  const ann = await site.device({ ...options, user: 'ann' });
  const bob = await site.device({ ...options, user: 'bob' });
  await ann.exec(insert);
  await until('bob has the row', async () => (await bob.rows(`SELECT 1 FROM ${table}`)).length === 1);
  await ann.inStep();
  await apart(ann, bob);
  return [ann, bob];
}

test('JS-151 each field merges by its strategy, and both devices end alike', async () => {
  const [ann, bob] = await withRow(
    `INSERT INTO visit (id, doses, notes, diagnosis, opened_by, lowest, highest, tags, stage, score)
     VALUES ('v', 1, 'one two', 'unclear', NULL, 36.5, 5, '["a","b"]', 'new', 1)`, 'visit');
  await using _ann = ann;
  await using _bob = bob;
  await ann.exec(`UPDATE visit SET doses = doses + 2, notes = 'zero one two', opened_by = 'ann', lowest = 36.0, highest = 9, tags = '["b","c"]', score = 3`);
  await bob.exec(`UPDATE visit SET doses = 0, notes = 'one two three', opened_by = 'bob', lowest = 37.5, highest = 7, tags = '["a","b","d"]', score = 5`);
  await together(ann, bob);
  const rows = await ann.rows('SELECT * FROM visit');
  assert.deepEqual(rows, [{
    id: 'v', doses: 2, notes: 'zero one two three', diagnosis: 'unclear', opened_by: 'ann', lowest: 36, highest: 9, tags: rows[0]!['tags']!, stage: 'new', score: 15,
    place: null,
  }]);
  assert.deepEqual((JSON.parse(String(rows[0]!['tags'])) as string[]).toSorted(), ['b', 'c', 'd']);
  assert.deepEqual(await bob.rows('SELECT * FROM visit'), rows);
});

test("JS-151 a stale write to a field of the strategy 'server' refuses its transaction, and nothing else", async () => {
  const [ann, bob] = await withRow("INSERT INTO visit (id, stage) VALUES ('v', 'new')", 'visit');
  await using _ann = ann;
  await using _bob = bob;
  await ann.exec("UPDATE visit SET stage = ''");
  await bob.exec("UPDATE visit SET stage = 'done', place = 'goes with it'");
  await bob.exec("INSERT INTO visit (id) VALUES ('other')");
  await together(ann, bob);
  for (const device of [ann, bob]) {
    assert.deepEqual(await device.rows('SELECT id, stage, place FROM visit ORDER BY id'), [{ id: 'other', stage: null, place: null }, { id: 'v', stage: '', place: null }]);
  }
  const [refused, ...others] = await bob.page.evaluate(async () => (await db.rejected.list()).map(({ reason, changes }) => ({ reason, values: changes[0]?.values })));
  assert.deepEqual([refused, others], [{ reason: 'stale', values: { stage: 'done', place: 'goes with it' } }, []]);
});

test('JS-151 a row that is deleted here and edited there goes, stays, or waits, as its table says', async () => {
  for (const [table, rows] of [['visit', 0], ['kept', 1]] as const) {
    const [ann, bob] = await withRow(`INSERT INTO ${table} (id) VALUES ('v')`, table);
    await using _ann = ann;
    await using _bob = bob;
    await ann.exec(`DELETE FROM ${table}`);
    await bob.exec(`UPDATE ${table} SET ${table === 'kept' ? 'name' : 'place'} = 'edited'`);
    await together(ann, bob);
    for (const device of [ann, bob]) assert.equal((await device.rows(`SELECT 1 FROM ${table}`)).length, rows, table);
  }
  const [ann, bob] = await withRow("INSERT INTO disputed (id, name) VALUES ('v', 'before')", 'disputed');
  await using _ann = ann;
  await using _bob = bob;
  await ann.exec('DELETE FROM disputed');
  await bob.exec("UPDATE disputed SET name = 'edited'");
  await together(ann, bob);
  const parked = await bob.page.evaluate(async () => ({
    reasons: (await db.rejected.list()).map(({ reason }) => reason),
    open: (await db.conflicts.list()).map(({ id, table, column, sides }) => ({ id, table, column, sides: sides.length, mine: sides.findIndex(({ mine }) => mine) })),
  }));
  assert.deepEqual([parked.reasons, parked.open.length, parked.open[0]?.table, parked.open[0]?.sides], [['parked'], 1, 'disputed', 2]);
  await bob.page.evaluate(([id, side]) => db.conflicts.resolve(id, { side }), [parked.open[0]!.id, parked.open[0]!.mine] as const);
  for (const device of [ann, bob]) {
    await until('the row is back', async () => (await device.rows('SELECT name FROM disputed'))[0]?.['name'] === 'edited');
    await until('nothing waits', async () => (await device.page.evaluate(() => db.conflicts.list())).length === 0);
  }
});
