/**
 * Turning sync on in real browsers against real workerd: anonymous use, then a space, with and without rows in it.
 * Which messages are said is for the conversations; here the façade, the worker and the wasm carry them.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type * as Ebbtide from '../../../npm/src/index.ts';
import { DATABASE, type TestDevice } from '../harness/device.ts';
import { startSite, type Site } from '../harness/site.ts';
import { until } from '../harness/until.ts';

let site: Site;

before(async () => {
  site = await startSite();
});

after(async () => {
  await site[Symbol.asyncDispose]();
});

type Later = { open(start?: Ebbtide.StartChoice): Promise<void>; later: Ebbtide.Database };

/** A database that is local at first, beside the device's own. */
async function writeApart(device: TestDevice, space: string, user: string): Promise<void> {
  await device.page.evaluate(async ([space, user]) => {
    const { open } = globalThis.ebbtide;
    const local = await open({ name: 'later', schema: globalThis.schema });
    await local.exec("INSERT INTO note (id, title, count) VALUES ('both', ?, 0)", [`of ${user}`]);
    await local.exec('INSERT INTO note (id, title) VALUES (?, ?)', [user, 'before']);
    await local.exec("UPDATE note SET title = '' WHERE id = ?", [user]);
    await local.close();
    const token = async () => {
      const response = await fetch(`/ebbtide/dev/token?${new URLSearchParams({ user, spaces: space })}`, { method: 'POST' });
      return ((await response.json()) as { token: string }).token;
    };
    Object.assign(globalThis, {
      async open(start?: Ebbtide.StartChoice) {
        const sync = { url: '/ebbtide', space, token, ...(start === undefined ? {} : { start }) };
        Object.assign(globalThis, { later: await open({ name: 'later', schema: globalThis.schema, sync }) });
      },
    });
  }, [space, user] as const);
}

const now = (device: TestDevice) =>
  device.page.evaluate(() => {
    const { later } = globalThis as unknown as Later;
    return later.sync.now().then(({ sent }) => ({ sent, code: '' }), (error: Ebbtide.EbbtideError) => ({ sent: 0, code: error.code }));
  });

const notes = (device: TestDevice) =>
  device.page.evaluate(() => (globalThis as unknown as Later).later.query('SELECT id, title, count FROM note ORDER BY id'));

const open = (device: TestDevice, start?: Ebbtide.StartChoice) =>
  device.page.evaluate((start) => (globalThis as unknown as Later).open(start), start);

test('JS-53 rows of before go to an empty space, wait beside others, and merge or give way as the app says', async () => {
  const space = 'start';
  await using ann = await site.device({ user: 'ann', space: 'elsewhere' });
  await using bob = await site.device({ user: 'bob', space: 'elsewhere' });
  await writeApart(ann, space, 'ann');
  await writeApart(bob, space, 'bob');
  await open(ann);
  assert.deepEqual(await now(ann), { sent: 3, code: '' });
  await open(bob);
  assert.deepEqual(await now(bob), { sent: 0, code: 'sync_choice_needed' });
  const waiting = await bob.page.evaluate(async () => {
    const { later } = globalThis as unknown as Later;
    await later.exec("INSERT INTO note (id, title) VALUES ('meanwhile', 'works')");
    const { reason, cursor } = later.sync.status;
    return { reason, cursor, rows: (await later.query('SELECT id FROM note')).length };
  });
  assert.deepEqual(waiting, { reason: 'sync_choice_needed', cursor: 0, rows: 3 });
  const pending = () => bob.page.evaluate(() => (globalThis as unknown as Later).later.sync.status.pending);
  await until('what was written meanwhile waits too', async () => (await pending()) === 4);
  await bob.page.evaluate(() => (globalThis as unknown as Later).later.sync.start('merge'));
  await until('bob has what ann has', async () => JSON.stringify(await notes(bob)) === JSON.stringify(await notes(ann)));
  const merged = await notes(ann);
  assert.deepEqual(merged.map(({ id }) => id), ['ann', 'bob', 'both', 'meanwhile']);
  assert.deepEqual(merged[1], { id: 'bob', title: '', count: merged[1]!['count'] });

  await using cid = await site.device({ user: 'cid', space: 'elsewhere' });
  await writeApart(cid, space, 'cid');
  await open(cid, 'take');
  await now(cid);
  await until('cid has what ann has', async () => JSON.stringify(await notes(cid)) === JSON.stringify(await notes(ann)));
  const given = await cid.page.evaluate(async () => {
    const { later } = globalThis as unknown as Later;
    const listed = await later.rejected.list();
    return { failed: later.sync.status.failed, reasons: listed.map(({ reason }) => reason), rows: listed.flatMap(({ changes }) => changes) };
  });
  assert.deepEqual([given.failed, given.reasons], [2, ['replaced', 'replaced']]);
  assert.deepEqual(given.rows.map(({ key, values }) => [key[0], values['title']]), [['both', 'of cid'], ['cid', '']]);
});

test('JS-180 a database that is opened for another space says so, and that space gets nothing of it', async () => {
  await using ann = await site.device({ user: 'ann', space: 'her-own' });
  await ann.exec("INSERT INTO note (id, title) VALUES ('sent', '')");
  await ann.inStep();
  const other = await ann.page.evaluate(async (name) => {
    await globalThis.db.close();
    const token = async () => {
      const response = await fetch('/ebbtide/dev/token?user=ann&spaces=another', { method: 'POST' });
      return ((await response.json()) as { token: string }).token;
    };
    const db = await globalThis.ebbtide.open({ name, schema: globalThis.schema, sync: { url: '/ebbtide', space: 'another', token } });
    await db.exec("INSERT INTO note (id, title) VALUES ('meanwhile', '')");
    const { code, retryable } = await db.sync.now().then(() => { throw new Error('it syncs'); }, (error: Ebbtide.EbbtideError) => error);
    const { space, status: { state, reason, pending } } = await db.sync.inspect();
    await db.close();
    return { code, retryable, space, state, reason, pending };
  }, DATABASE);
  const reason = 'other_space';
  assert.deepEqual(other, { code: reason, retryable: false, space: 'her-own', state: 'error', reason, pending: 1 });
  await using bob = await site.device({ user: 'bob', space: 'another' });
  await bob.inStep();
  assert.deepEqual(await bob.rows('SELECT id FROM note'), []);
  await ann.close();
  await ann.open();
  await ann.inStep();
  assert.deepEqual(await ann.rows('SELECT id FROM note ORDER BY id'), [{ id: 'meanwhile' }, { id: 'sent' }]);
});

test('JS-54 what `start` may be is checked, as an option and as a call', async () => {
  await using ann = await site.device({ user: 'ann', space: 'start-checked' });
  const codes = await ann.page.evaluate(async () => {
    const wrong = 'mine' as Ebbtide.StartChoice;
    const code = (error: Ebbtide.EbbtideError) => error.code;
    const sync = { url: '/ebbtide', space: 's', token: () => '', start: wrong };
    const option = await globalThis.ebbtide.open({ name: 'other', schema: globalThis.schema, sync }).then(() => '', code);
    const call = await db.sync.start(wrong).then(() => '', code);
    const local = await globalThis.ebbtide.open({ name: 'local', schema: globalThis.schema });
    const without = await local.sync.start('merge').then(() => '', code);
    await local.close();
    return [option, call, without];
  });
  assert.deepEqual(codes, ['bad_option', 'bad_parameter', 'not_syncing']);
});
