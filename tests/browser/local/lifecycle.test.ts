/**
 * What happens to a database when tabs, workers and browsers come and go.
 * Each test has a database of its own; crashes are real.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type * as Ebbtide from '../../../npm/src/index.ts';
import { openPage, useFixture } from '../harness/fixture.ts';
import { launchKillable } from '../harness/killable.ts';
import { SCHEMA } from '../harness/schema.ts';
import { serve } from '../harness/static-server.ts';

declare const ebbtide: typeof Ebbtide;

const fixture = useFixture();

test('TB-01 a second tab is told that the database is in use, and gets it when the first has closed', async () => {
  const { browser, server, page } = fixture;
  const second = await openPage(browser, `${server.origin}/other`);
  await page.evaluate(async (schema) => {
    Object.assign(globalThis, { first: await ebbtide.open({ name: 'shared', schema }) });
  }, SCHEMA);
  const open = (schema: Ebbtide.SchemaDefinition) =>
    ebbtide.open({ name: 'shared', schema }).then(async (db) => (await db.close(), 'opened'), (error: Ebbtide.EbbtideError) => [error.name, error.code, error.retryable]);
  assert.deepEqual(await second.evaluate(open, SCHEMA), ['EbbtideError', 'database_in_use', true]);
  await page.close();
  assert.equal(await second.evaluate(open, SCHEMA), 'opened');
  fixture.page = second;
});

test('TB-02 a page that was put into the back/forward cache lets go of its database and takes it again when it is back', async () => {
  const { browser, server } = fixture;
  const page = await openPage(browser, `${server.origin}/`);
  await page.evaluate(async (schema) => {
    const db = await ebbtide.open({ name: 'frozen', schema });
    await db.exec("INSERT INTO household (id) VALUES ('before')");
    Object.assign(globalThis, { db });
  }, SCHEMA);
  await page.goto(`${server.origin}/other`);
  await page.waitForFunction('globalThis.ready');
  const other = await page.evaluate(async (schema) => {
    await using db = await ebbtide.open({ name: 'frozen', schema });
    await db.exec("INSERT INTO household (id) VALUES ('between')");
    return (await db.query('SELECT id FROM household')).length;
  }, SCHEMA);
  assert.equal(other, 2);
  // Nothing is loaded when a page comes back from the cache.
  await page.goBack({ waitUntil: 'commit' });
  const back = await page.evaluate(async () => {
    const db = (globalThis as unknown as { db?: Ebbtide.Database }).db;
    if (db === undefined) return 'the browser did not keep the page';
    await db.exec("INSERT INTO household (id) VALUES ('after')");
    return (await db.query<{ id: string }>('SELECT id FROM household ORDER BY id')).map((row) => row.id);
  });
  assert.deepEqual(back, ['after', 'before', 'between']);
  await page.close();
});

test('JS-15 without a private file system open says so, and memory is used only when asked for', async () => {
  const { browser, server } = fixture;
  const page = await openPage(browser, `${server.origin}/`);
  const found = await page.evaluate(async (schema) => {
    // What a browser without OPFS looks like to the worker.
    const source = `import ${JSON.stringify(new URL('/ebbtide/worker.js', location.href).href)}; delete StorageManager.prototype.getDirectory;`;
    const workerUrl = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
    const options = { name: 'no-opfs', schema, workerUrl };
    const refused = await ebbtide.open(options).catch((error: Ebbtide.EbbtideError) => [error.code, error.retryable, error.message.includes("storage: 'memory'")]);
    await using db = await ebbtide.open({ ...options, storage: 'memory' });
    await db.exec("INSERT INTO household (id) VALUES ('a')");
    return { refused, rows: (await db.query('SELECT id FROM household')).length };
  }, SCHEMA);
  assert.deepEqual(found, { refused: ['storage_unavailable', false, true], rows: 1 });
  await page.close();
});

test('JS-16 bad options and a wrong place of the files are typed errors', async () => {
  const codes = await fixture.page.evaluate(async (schema) => {
    const open = (options: unknown) => ebbtide.open(options as Ebbtide.OpenOptions).then(() => 'opened', (error: Ebbtide.EbbtideError) => error.code);
    return [
      await open(undefined),
      await open({ schema }),
      await open({ name: '', schema }),
      await open({ name: 'a'.repeat(81), schema }),
      await open({ name: 'a' }),
      await open({ name: 'a', schema, storage: 'disk' }),
      await open({ name: 'a', schema, durability: 'none' }),
      await open({ name: 'a', schema, sync: { url: 'ftp://x', space: 's', token: () => 't' } }),
      await open({ name: 'a', schema, sync: { url: '/ebbtide', space: '', token: () => 't' } }),
      await open({ name: 'a', schema, sync: { url: '/ebbtide', space: 's', token: 'secret' } }),
      await open({ name: 'a', schema, workerUrl: 'http://' }),
      await open({ name: 'a', schema, wasmUrl: 'http://' }),
      await open({ name: 'a', schema, workerUrl: '/nowhere.js' }),
      await open({ name: 'a', schema, wasmUrl: '/nowhere.wasm' }),
    ];
  }, SCHEMA);
  assert.deepEqual(codes, [...Array(12).fill('bad_option'), 'worker_unavailable', 'engine_unavailable']);
});

test('JS-17 a schema that does not fit, or a migration that fails, is a typed error, and the former version stays usable', async () => {
  const found = await fixture.page.evaluate(async (schema) => {
    const open = (name: string, schema: unknown) => ebbtide.open({ name, schema: schema as Ebbtide.SchemaDefinition })
      .then(async (db) => (await db.close(), 'opened'), (error: Ebbtide.EbbtideError) => error.code);
    const { migrations, tables } = schema;
    const broken = { migrations: [...migrations, 'CREATE TABLE half (id TEXT PRIMARY KEY NOT NULL) STRICT; CREATE TABLE half (id)'], tables };
    return [
      await open('schema-1', { migrations: ['CREATE TABLE a (x)'], tables: { a: {} } }),
      await open('schema-2', { migrations: [], tables: { nowhere: {} } }),
      await open('schema-3', schema),
      await open('schema-3', broken),
      await open('schema-3', schema),
      await open('schema-3', { migrations: ['CREATE TABLE other (id)'], tables: {} }),
    ];
  }, SCHEMA);
  assert.equal(found[0], 'schema_invalid');
  assert.equal(found[1], 'schema_invalid');
  assert.deepEqual([found[2], found[4]], ['opened', 'opened']);
  assert.match(String(found[3]), /migration|schema/);
  assert.match(String(found[5]), /schema/);
});

test('JS-18 a worker that dies is replaced: calls under way get a typed error, and what was committed is there', async () => {
  const { browser, server } = fixture;
  const page = await openPage(browser, `${server.origin}/`);
  const found = await page.evaluate(async (schema) => {
    // A worker script of the test's own, that traps on demand as a fault of ours would, before the call is seen.
    const module = (source: string) => URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
    const trap = module(`addEventListener('message', (event) => {
      if (event.data.op !== 'exec' || !event.data.argument.sql.includes('trap')) return;
      event.stopImmediatePropagation();
      const unreachable = new Uint8Array([0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,8,1,0,10,5,1,3,0,0,11]);
      new WebAssembly.Instance(new WebAssembly.Module(unreachable));
    });`);
    const workerUrl = module(`import '${trap}'; import '${new URL('/ebbtide/worker.js', location.href).href}';`);
    await using db = await ebbtide.open({ name: 'crashing', schema, workerUrl });
    await db.exec("INSERT INTO household (id) VALUES ('before')");
    const rows = db.watch<{ id: string }>('SELECT id FROM household ORDER BY id');
    const first = (await rows.next()).value.length;
    const pending = rows.next();
    const crashed = await db.exec("INSERT INTO household (id) VALUES ('trap')").catch((error: Ebbtide.EbbtideError) => [error.code, error.retryable]);
    await db.exec("INSERT INTO household (id) VALUES ('x')");
    return { first, crashed, ids: (await pending).value.map((row: { id: string }) => row.id) };
  }, SCHEMA);
  assert.deepEqual(found, { first: 1, crashed: ['worker_crashed', true], ids: ['before', 'x'] });
  await page.close();
});

test('JS-03 what was acknowledged survives killing the browser in the middle of writing', { timeout: 120_000 }, async () => {
  await using server = await serve();
  const profile = await mkdtemp(join(tmpdir(), 'ebbtide-kill-'));
  try {
    for (let round = 0; round < 3; round++) {
      const { page, kill } = await launchKillable(profile, `${server.origin}/`);
      // Not awaited: the browser dies in the middle of it.
      page.evaluate(async ([schema, round]) => {
        const db = await ebbtide.open({ name: 'killed', schema });
        for (let index = 0; ; index++) {
          const ids = Array.from({ length: 5 }, (_, part) => `${round}-${index}-${part}`);
          await db.transaction(async (tx) => {
            for (const id of ids) await tx.exec('INSERT INTO household (id) VALUES (?)', [id]);
          });
          await fetch('/ack', { method: 'POST', body: ids.join() });
        }
      }, [SCHEMA, round] as const).catch(() => undefined);
      while (server.acknowledged.length < (round + 1) * 20) await delay(5);
      await kill();
    }
    const { page, kill } = await launchKillable(profile, `${server.origin}/`);
    const { ids, check } = await page.evaluate(async (schema) => {
      await using db = await ebbtide.open({ name: 'killed', schema });
      const rows = await db.query<{ id: string }>('SELECT id FROM household');
      return { ids: rows.map((row) => row.id), check: Object.values((await db.get('PRAGMA integrity_check'))!)[0] };
    }, SCHEMA);
    await kill();
    const present = new Set(ids);
    const lost = server.acknowledged.flatMap((line) => line.split(',')).filter((id) => !present.has(id));
    assert.deepEqual(lost, [], 'every acknowledged row is there');
    const perTransaction = Map.groupBy(ids, (id) => id.slice(0, id.lastIndexOf('-')));
    assert.ok([...perTransaction.values()].every((parts) => parts.length === 5), 'no transaction is there in part');
    assert.equal(check, 'ok');
  } finally {
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
});
