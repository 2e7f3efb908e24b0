/**
 * The review queue through the package: listed on every device, offline and after a restart, chosen by side, by value or by the app's function,
 * told to everybody, and safe between two reviewers. Which histories open conflicts is for the conversations.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestDevice } from '../harness/device.ts';
import { startSite, type Site } from '../harness/site.ts';
import { until } from '../harness/until.ts';

let site: Site;
let spaces = 0;

before(async () => { site = await startSite('merging-server.ts'); });
after(() => site[Symbol.asyncDispose]());

const listed = (device: TestDevice) => device.page.evaluate(() => db.conflicts.list());
const diagnosis = async (device: TestDevice) => (await device.rows("SELECT diagnosis FROM visit WHERE id = 'v'"))[0]?.['diagnosis'];

/** Ann's diagnosis stands everywhere, and bob's waits. */
async function inDispute(): Promise<[TestDevice, TestDevice]> {
  const options = { space: `review-${spaces++}`, app: 'merging' } as const;
  const ann = await site.device({ ...options, user: 'ann' });
  const bob = await site.device({ ...options, user: 'bob' });
  await ann.exec("INSERT INTO visit (id, diagnosis) VALUES ('v', 'unclear')");
  await until('bob has the row', async () => (await bob.rows('SELECT 1 FROM visit')).length === 1);
  await bob.page.evaluate(() => db.sync.pause());
  await ann.exec("UPDATE visit SET diagnosis = '' WHERE id = 'v'");
  await ann.inStep();
  await ann.page.evaluate(() => {
    Object.assign(globalThis, { told: [] });
    const told = (event: CustomEvent<unknown>) => { (globalThis as unknown as { told: unknown[] }).told.push([event.type, event.detail]); };
    db.sync.addEventListener('conflict', told);
    db.sync.addEventListener('resolved', told);
  });
  await bob.exec("UPDATE visit SET diagnosis = 'malaria' WHERE id = 'v'");
  await bob.page.evaluate(() => db.sync.resume());
  await bob.inStep();
  for (const device of [ann, bob]) await until('the conflict is listed', async () => (await listed(device)).length === 1);
  return [ann, bob];
}

const told = (device: TestDevice) => device.page.evaluate(() => (globalThis as unknown as { told: [string, { open?: unknown[]; conflicts?: { how: string }[] }][] }).told);

test('JS-152 a conflict waits on every device with base and sides, offline and after a restart, while other fields go on', async () => {
  const [ann, bob] = await inDispute();
  await using _ann = ann;
  await using _bob = bob;
  for (const [device, mine] of [[ann, [true, false]], [bob, [false, true]]] as const) {
    const [{ id, openedAt, sides, ...place } = {} as never] = await listed(device);
    assert.deepEqual(place, { table: 'visit', key: ['v'], column: 'diagnosis', base: 'unclear' });
    assert.deepEqual(sides.map(({ value, author }: { value: unknown; author: string }) => [value, author]), [['', 'ann'], ['malaria', 'bob']]);
    assert.deepEqual(sides.map((side: { mine: boolean }) => side.mine), mine);
    assert.ok(typeof id === 'string' && Math.abs(Date.now() - openedAt) < 60_000);
    assert.equal(await diagnosis(device), '', 'the committed value stays');
    assert.equal((await device.page.evaluate(() => db.sync.status)).conflicts, 1);
  }
  assert.deepEqual((await told(ann)).map(([type, { open }]) => [type, open?.length]), [['conflict', 1]]);
  await bob.refuseTokens();
  await bob.close();
  await bob.open();
  assert.equal((await listed(bob)).length, 1, 'without the server, after a restart');
  await bob.exec("UPDATE visit SET place = 'hut', doses = 3 WHERE id = 'v'");
  await bob.allowTokens();
  await bob.inStep();
  await until('the other fields arrive', async () => (await ann.rows('SELECT place FROM visit'))[0]?.['place'] === 'hut');
  assert.equal((await listed(ann)).length, 1);
});

for (const [how, resolution, value] of [['a side', { side: 1 }, 'malaria'], ['the own side', { mine: true }, ''], ['a value', { value: 'flu' }, 'flu'], ['NULL', { value: null }, null]] as const) {
  test(`JS-152 a person chooses ${how}, sees it at once, offline too, and it is closed everywhere`, async () => {
    const [ann, bob] = await inDispute();
    await using _ann = ann;
    await using _bob = bob;
    const [conflict] = await listed(ann);
    ann.proxy.goOffline();
    await ann.page.evaluate(([id, resolution]) => db.conflicts.resolve(id, resolution), [conflict!.id, resolution] as const);
    assert.deepEqual([await diagnosis(ann), (await listed(ann)).length], [value, 0]);
    ann.proxy.goOnline();
    await ann.inStep();
    await until('bob sees the choice', async () => (await diagnosis(bob)) === value && (await listed(bob)).length === 0);
    assert.equal((await bob.page.evaluate(() => db.sync.status)).conflicts, 0);
    await until('ann was told', async () => (await told(ann)).some(([type]) => type === 'resolved'));
  });
}

test('JS-152 of two reviewers the faster one decides, and the other is told', async () => {
  const [ann, bob] = await inDispute();
  await using _ann = ann;
  await using _bob = bob;
  const id = (await listed(ann))[0]!.id;
  for (const device of [ann, bob]) await device.page.evaluate(() => db.sync.pause());
  await ann.page.evaluate((id) => db.conflicts.resolve(id, { value: 'of ann' }), id);
  await bob.page.evaluate((id) => db.conflicts.resolve(id, { value: 'of bob' }), id);
  await ann.page.evaluate(() => db.sync.resume());
  await ann.inStep();
  await bob.page.evaluate(() => db.sync.resume());
  await bob.inStep();
  for (const device of [ann, bob]) {
    await until('both hold the first choice', async () => (await diagnosis(device)) === 'of ann');
    assert.equal((await listed(device)).length, 0);
  }
  assert.deepEqual(await bob.page.evaluate(async () => (await db.rejected.list()).map(({ reason }) => reason)), ['stale']);
});

test('JS-152 a choice that cannot be is a typed error and changes nothing', async () => {
  const [ann, bob] = await inDispute();
  await using _ann = ann;
  await using _bob = bob;
  const codes = await ann.page.evaluate(async (id) => {
    const wrong: [string, unknown][] = [[id, { side: 2 }], [id, { side: -1 }], [id, {}], [id, null], [id, { value: new Uint8Array(1) }], ['nobody', { side: 0 }], [id, { value: {} }]];
    const codes: string[] = [];
    for (const [which, resolution] of wrong) {
      codes.push(await db.conflicts.resolve(which, resolution as never).then(() => 'resolved', (error: { code: string }) => error.code));
    }
    return codes;
  }, (await listed(ann))[0]!.id);
  assert.ok(codes.every((code) => /^[a-z_]+$/.test(code) && code !== 'resolved' && code !== 'internal_error'), JSON.stringify(codes));
  assert.deepEqual([await diagnosis(ann), (await listed(ann)).length], ['', 1]);
});

test("JS-153 the app's function decides as soon as a conflict is there, or leaves it to people", async () => {
  const options = { space: `review-${spaces++}`, app: 'merging' } as const;
  await using ann = await site.device({ ...options, user: 'ann' });
  await using bob = await site.device({ ...options, user: 'bob' });
  await ann.exec("INSERT INTO visit (id, diagnosis) VALUES ('v', 'unclear'), ('w', 'unclear')");
  await until('bob has the rows', async () => (await bob.rows('SELECT 1 FROM visit')).length === 2);
  await ann.page.evaluate(() => db.close());
  await ann.page.evaluate(() => {
    globalThis.resolver = async ({ key, sides }) => (key[0] === 'v' ? { value: sides.map(({ value }) => value).join(' or ') } : undefined);
  });
  await ann.page.evaluate((options) => globalThis.openDevice(options), { name: 'field', ...options, user: 'ann' });
  await bob.page.evaluate(() => db.sync.pause());
  await ann.exec("UPDATE visit SET diagnosis = 'flu'");
  await ann.inStep();
  await bob.exec("UPDATE visit SET diagnosis = 'malaria'");
  await bob.page.evaluate(() => db.sync.resume());
  for (const device of [ann, bob]) {
    await until('the function has decided one of both', async () => (await diagnosis(device)) === 'flu or malaria');
    assert.deepEqual((await listed(device)).map(({ key }) => key), [['w']]);
  }
});
