/**
 * The history of a row in a real browser: what the device knows by itself, and what the server keeps in D1.
 * Pages and who may see them are for the Worker's tests; here the façade and the wasm carry both.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type * as Ebbtide from '../../../npm/src/index.ts';
import { startSite, type Site } from '../harness/site.ts';
import { until } from '../harness/until.ts';

let site: Site;

before(async () => {
  site = await startSite();
});

after(async () => {
  await site[Symbol.asyncDispose]();
});

test('JS-55 log.list() tells what the device did to a row, audit.list() what the server has', async () => {
  await using ann = await site.device({ user: 'ann', space: 'row-history' });
  await using bob = await site.device({ user: 'bob', space: 'row-history' });
  await ann.exec("INSERT INTO note (id, title, count) VALUES ('n', '', 0)");
  await ann.inStep();
  await until('the note is on the other device', async () => (await bob.rows('SELECT id FROM note')).length === 1);
  await bob.exec("UPDATE note SET count = 9007199254740993 WHERE id = 'n'");
  await bob.inStep();
  await ann.page.evaluate(() => db.sync.pause());
  await ann.exec("UPDATE note SET title = 'waits' WHERE id = 'n'");

  const log = await ann.page.evaluate(() => db.log.list({ table: 'note', key: 'n' }));
  assert.deepEqual(log.map(({ state, kind, values }) => [state, kind, values]), [
    ['applied', 'insert', { title: '', body: '', count: 0 }], ['pending', 'update', { title: 'waits' }],
  ]);
  assert.ok(log[0]!.at <= log[1]!.at && log[0]!.transaction !== log[1]!.transaction);

  const audit = () => ann.page.evaluate(() => db.audit.list({ table: 'note', key: ['n'], limit: 1 }));
  await until('both commits are in D1', async () => (await audit()).next !== undefined);
  const { entries: [latest], next } = await audit();
  const told = { kind: latest!.kind, key: latest!.key, values: latest!.values, user: latest!.user };
  assert.deepEqual(told, { kind: 'update', key: ['n'], values: { count: 9007199254740993n }, user: 'bob' });
  const older = await ann.page.evaluate((before) => db.audit.list({ table: 'note', key: 'n', before: before! }), next);
  assert.deepEqual(older.entries.map(({ kind, values, user }) => [kind, values, user]), [['insert', { body: '', count: 0, title: '' }, 'ann']]);
  assert.equal(older.next, undefined);

  const codes = await ann.page.evaluate(async () => {
    const code = (error: Ebbtide.EbbtideError) => error.code;
    const local = await globalThis.ebbtide.open({ name: 'local', schema: globalThis.schema });
    const wrong = [
      db.log.list({ table: 'nothing', key: 'n' }), db.log.list({ table: 'note', key: ['n', 1] }),
      db.audit.list({ limit: 0 }), local.audit.list(),
    ];
    const told = await Promise.all(wrong.map((list) => (list as Promise<unknown>).then(() => '', code)));
    await local.close();
    return told;
  });
  assert.deepEqual(codes, ['bad_parameter', 'bad_parameter', 'malformed_message', 'not_syncing']);
});
