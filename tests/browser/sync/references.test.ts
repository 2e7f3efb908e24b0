/**
 * References and unique values through the package: a parent that goes while a child comes, in both orders, and one value that two devices took.
 * Every rule for every order is held by the conversations; here the files of real browsers stay whole, and the app is told.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestDevice } from '../harness/device.ts';
import { startSite, type Site } from '../harness/site.ts';
import { apart, together } from '../harness/together.ts';
import { until } from '../harness/until.ts';

let site: Site;
let spaces = 0;

before(async () => { site = await startSite(); });
after(() => site[Symbol.asyncDispose]());

/** Two devices with a note and an entry in it, which see nothing of each other until the test lets them. */
async function withEntry(): Promise<[TestDevice, TestDevice]> {
  const space = `references-${spaces++}`;
  const ann = await site.device({ user: 'ann', space });
  const bob = await site.device({ user: 'bob', space });
  await ann.exec("INSERT INTO note (id, title) VALUES ('n', 'parent')");
  await ann.exec("INSERT INTO entry (id, note, text) VALUES ('e', 'n', 'known')");
  await until('bob has the entry', async () => (await bob.rows('SELECT 1 FROM entry')).length === 1);
  await ann.inStep();
  await apart(ann, bob);
  return [ann, bob];
}

async function whole(...devices: TestDevice[]): Promise<void> {
  await together(...devices);
  for (const device of devices) assert.deepEqual(await device.rows('PRAGMA foreign_key_check'), []);
}

for (const first of ['the parent goes', 'the child comes'] as const) {
  test(`JS-160 ${first} first: child and parent are gone everywhere, and the child is recorded`, async () => {
    const [ann, bob] = await withEntry();
    await using _ann = ann;
    await using _bob = bob;
    await ann.exec("DELETE FROM note WHERE id = 'n'");
    await bob.exec("INSERT INTO entry (id, note, text) VALUES ('late', 'n', 'of bob')");
    await bob.exec("INSERT INTO note (id, title) VALUES ('other', 'stays')");
    await whole(...(first === 'the parent goes' ? [ann, bob] : [bob, ann]));
    for (const device of [ann, bob]) {
      assert.deepEqual(await device.rows('SELECT id FROM note'), [{ id: 'other' }]);
      assert.deepEqual(await device.rows('SELECT id FROM entry'), []);
    }
    const recorded = await bob.page.evaluate(async () => (await db.conflicts.decided()).map(({ table, key }) => [table, key[0]]));
    assert.ok(recorded.some(([table, key]) => table === 'entry' && key === 'late'), JSON.stringify(recorded));
  });
}

test('JS-161 of two devices that took one unique value the first keeps it, and the other is told, and can send it under another', async () => {
  const [ann, bob] = await withEntry();
  await using _ann = ann;
  await using _bob = bob;
  await ann.exec("INSERT INTO tag (id, name) VALUES ('of ann', 'wet')");
  await bob.exec("INSERT INTO tag (id, name) VALUES ('of bob', 'wet')");
  await bob.exec("INSERT INTO tag (id, name) VALUES ('more', 'dry')");
  await whole(ann, bob);
  const names = 'SELECT id, name FROM tag ORDER BY id';
  assert.deepEqual(await bob.rows(names), [{ id: 'more', name: 'dry' }, { id: 'of ann', name: 'wet' }]);
  assert.deepEqual(await ann.rows(names), await bob.rows(names));
  const [refused, ...others] = await bob.page.evaluate(() => db.rejected.list());
  assert.deepEqual([refused?.reason, refused?.changes.map(({ table, key, values }) => [table, key[0], values['name']]), others], ['unique', [['tag', 'of bob', 'wet']], []]);
  assert.match(refused!.detail, /of ann/, 'it names the row that has the value');
  await bob.page.evaluate(([id, edits]) => db.rejected.retry(id, edits), [refused!.id, [{ table: 'tag', key: ['of bob'], values: { name: 'damp' } }]] as const);
  await bob.inStep();
  await until('it arrives under the other value', async () => (await ann.rows("SELECT 1 FROM tag WHERE name = 'damp'")).length === 1);
  assert.equal((await bob.status()).failed, 0);
});

test('JS-161 a pull that takes a pending value lists what is blocked by it, keeps it, and the verdict comes', async () => {
  const [ann, bob] = await withEntry();
  await using _ann = ann;
  await using _bob = bob;
  await ann.exec("INSERT INTO tag (id, name) VALUES ('of ann', 'wet')");
  await bob.exec("INSERT INTO tag (id, name) VALUES ('of bob', 'wet')");
  await ann.page.evaluate(() => db.sync.resume());
  await ann.inStep();
  await bob.page.evaluate(() => {
    const most = { blocked: 0 };
    Object.assign(globalThis, { most });
    db.sync.addEventListener('status', () => { most.blocked = Math.max(most.blocked, db.sync.status.blocked); });
  });
  await whole(bob, ann);
  assert.deepEqual((await bob.rows('SELECT id FROM tag')), [{ id: 'of ann' }]);
  assert.deepEqual(await bob.page.evaluate(async () => (await db.rejected.list()).map(({ reason }) => reason)), ['unique']);
  assert.deepEqual(await bob.page.evaluate(() => db.sync.status.blocked), 0);
});
