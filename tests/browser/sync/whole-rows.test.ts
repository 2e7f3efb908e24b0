/**
 * Rows that wait for a person as a whole, through the package: listed with the row of each side, chosen by side or as another row, by a person
 * or by the app's function, and told by the server's history. Which histories open conflicts is for the conversations.
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

const ADDRESS = "SELECT street, zip, hex(plan) AS plan FROM address WHERE id = 'a'";

const address = async (device: TestDevice) => (await device.rows(ADDRESS))[0];
const open = (device: TestDevice) => device.page.evaluate(() => db.conflicts.list());
/** What each side wants, with a plan as a plain list, which crosses from the page. */
const rows = (device: TestDevice) => device.page.evaluate(async () =>
  (await db.conflicts.list()).map(({ baseRow, sides }) => [baseRow, ...sides.map(({ row }) => row)].map((row) => ({ ...row, plan: row?.['plan'] instanceof Uint8Array ? [...row['plan']] : row?.['plan'] }))));

const newSpace = () => ({ space: `whole-rows-${spaces++}`, app: 'merging' }) as const;

async function pair(options = newSpace()): Promise<[TestDevice, TestDevice]> {
  const ann = await site.device({ ...options, user: 'ann' });
  const bob = await site.device({ ...options, user: 'bob' });
  await ann.exec("INSERT INTO address VALUES ('a', 'Main', 1, x'00ff')");
  await until('bob has the row', async () => (await bob.rows('SELECT 1 FROM address')).length === 1);
  await ann.inStep();
  return [ann, bob];
}

/** Ann's address stands everywhere, and bob's waits. */
async function inDispute(): Promise<[TestDevice, TestDevice]> {
  const [ann, bob] = await pair();
  await apart(ann, bob);
  await ann.exec("UPDATE address SET street = ''");
  await bob.exec('UPDATE address SET zip = 2, plan = NULL');
  await together(ann, bob);
  for (const device of [ann, bob]) await until('the conflict is listed', async () => (await open(device)).length === 1);
  return [ann, bob];
}

test('JS-170 the row that was seen and the rows of both sides are listed on every device, offline and after a restart', async () => {
  const [ann, bob] = await inDispute();
  await using _ann = ann;
  await using _bob = bob;
  const [base, ours, theirs] = [{ street: 'Main', zip: 1, plan: [0, 255] }, { street: '', zip: 1, plan: [0, 255] }, { street: 'Main', zip: 2, plan: null }];
  for (const device of [ann, bob]) {
    const { table, key, column, sides } = (await open(device))[0]!;
    assert.deepEqual([table, key, column], ['address', ['a'], undefined]);
    assert.deepEqual(sides.map(({ author, mine }) => [author, mine]), [['ann', device === ann], ['bob', device === bob]]);
    assert.deepEqual(await rows(device), [[base, ours, theirs]]);
    assert.deepEqual(await address(device), { street: '', zip: 1, plan: '00FF' });
  }
  await bob.refuseTokens();
  await bob.close();
  await bob.open();
  assert.deepEqual(await rows(bob), [[base, ours, theirs]]);
});

for (const [how, resolution, expected] of [
  ['a side', { side: 1 }, { street: 'Main', zip: 2, plan: '' }],
  ['the own side', { mine: true }, { street: '', zip: 1, plan: '00FF' }],
  ['another row', { value: { plan: null, street: null, zip: 0 } }, { street: null, zip: 0, plan: '' }],
] as const) {
  test(`JS-170 a person chooses ${how}, sees the whole row at once, offline too, and it is closed everywhere`, async () => {
    const [ann, bob] = await inDispute();
    await using _ann = ann;
    await using _bob = bob;
    ann.proxy.goOffline();
    await ann.page.evaluate(([id, resolution]) => db.conflicts.resolve(id, resolution), [(await open(ann))[0]!.id, resolution] as const);
    assert.deepEqual([await address(ann), (await open(ann)).length], [expected, 0]);
    ann.proxy.goOnline();
    await ann.inStep();
    await until('bob sees the choice', async () => (await open(bob)).length === 0);
    assert.deepEqual(await address(bob), expected);
    assert.equal((await bob.page.evaluate(() => db.sync.status)).conflicts, 0);
  });
}

test("JS-170 a side's row with changes is a row, bytes and all; the server's history has what was chosen, field by field", async () => {
  const [ann, bob] = await inDispute();
  await using _ann = ann;
  await using _bob = bob;
  await bob.page.evaluate(async () => {
    const [{ id, sides } = {} as never] = await db.conflicts.list();
    await db.conflicts.resolve(id, { value: { ...sides[0]!.row, zip: 3 } });
  });
  await bob.inStep();
  await until('ann sees the choice', async () => (await address(ann))?.['zip'] === 3);
  assert.deepEqual(await address(ann), { street: '', zip: 3, plan: '00FF' });
  await until('the history has it', async () => {
    const { entries } = await ann.page.evaluate(async () => {
      const { entries } = await db.audit.list({ table: 'address', key: ['a'] });
      return { entries: entries.map(({ kind, values, user }) => ({ kind, zip: values['zip'], user })) };
    });
    return entries.some(({ kind, zip, user }) => kind === 'update' && zip === 3 && user === 'bob');
  });
});

test('JS-170 of two reviewers the faster one decides, and the other finds its row among the refused', async () => {
  const [ann, bob] = await inDispute();
  await using _ann = ann;
  await using _bob = bob;
  const id = (await open(ann))[0]!.id;
  await apart(ann, bob);
  await ann.page.evaluate((id) => db.conflicts.resolve(id, { side: 1 }), id);
  await bob.page.evaluate((id) => db.conflicts.resolve(id, { value: { street: 'of bob', zip: 9, plan: null } }), id);
  await together(ann, bob);
  for (const device of [ann, bob]) assert.deepEqual(await address(device), { street: 'Main', zip: 2, plan: '' });
  const refused = await bob.page.evaluate(async () => (await db.rejected.list()).map(({ reason, changes }) => [reason, changes[0]?.values['street']]));
  assert.deepEqual(refused, [['stale', 'of bob']]);
});

test('JS-170 a row that cannot be is a typed error and changes nothing', async () => {
  const [ann, bob] = await inDispute();
  await using _ann = ann;
  await using _bob = bob;
  const codes = await ann.page.evaluate(async (id) => {
    const whole = { street: 'x', zip: 1, plan: null };
    const wrong: unknown[] = [
      'x', null, {}, { street: 'x' }, { ...whole, id: 'a' }, { ...whole, town: 'x' }, { ...whole, zip: 'many' }, { ...whole, zip: {} }, { ...whole, zip: undefined }, [whole], new Date(0),
    ];
    return Promise.all(wrong.map((value) => db.conflicts.resolve(id, { value } as never).then(() => 'resolved', ({ code }: { code: string }) => code)));
  }, (await open(ann))[0]!.id);
  assert.deepEqual(codes, [...Array<string>(6).fill('bad_parameter'), 'constraint', ...Array<string>(4).fill('bad_parameter')]);
  assert.deepEqual([await address(ann), (await open(ann)).length], [{ street: '', zip: 1, plan: '00FF' }, 1]);
});

test("JS-170 the app's function decides between rows", async () => {
  const options = newSpace();
  const [ann, bob] = await pair(options);
  await using _ann = ann;
  await using _bob = bob;
  await ann.page.evaluate(() => db.close());
  await ann.page.evaluate(() => {
    globalThis.resolver = ({ baseRow, sides: [ours, theirs] }) => {
      const changed = Object.entries(theirs!.row!).filter(([name, value]) => String(value) !== String(baseRow![name]));
      return { value: { ...ours!.row, ...Object.fromEntries(changed) } };
    };
  });
  await ann.page.evaluate((options) => globalThis.openDevice(options), { name: 'field', ...options, user: 'ann' });
  await apart(ann, bob);
  await ann.exec("UPDATE address SET street = 'Side'");
  await bob.exec('UPDATE address SET zip = 2');
  await together(ann, bob);
  for (const device of [ann, bob]) {
    await until('both changes are there', async () => (await address(device))?.['zip'] === 2);
    assert.deepEqual([await address(device), (await open(device)).length], [{ street: 'Side', zip: 2, plan: '00FF' }, 0]);
  }
});
