/**
 * The database worker's side of a sync against real workerd: tokens, both transports, what the app is told.
 * Two-device behaviour is in `two-devices.test.ts`; here one device meets good and bad servers.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type * as Ebbtide from '../../../npm/src/index.ts';
import type { TestDevice } from '../harness/device.ts';
import { startSite, type Site } from '../harness/site.ts';
import { until } from '../harness/until.ts';

let site: Site;
let spaces = 0;

before(async () => {
  site = await startSite();
});

after(async () => {
  await site[Symbol.asyncDispose]();
});

/** A device in a space of its own. */
function device(twoPhase: 'auto' | 'always' = 'auto'): Promise<TestDevice> {
  return site.device({ user: 'ann', space: `driver-${spaces++}`, twoPhase });
}

test('JS-30 sync.now() tells what was exchanged, and counts the bytes', async () => {
  await using one = await device();
  await one.inStep();
  const report = await one.page.evaluate(async () => {
    await db.sync.pause();
    await db.exec("INSERT INTO note (title) VALUES ('first')");
    await db.transaction(async (tx) => {
      const { id } = (await tx.get<{ id: string }>("INSERT INTO note (title) VALUES ('second') RETURNING id"))!;
      await tx.exec('INSERT INTO entry (note, text) VALUES (?, ?)', [id, 'belongs']);
    });
    await db.sync.resume();
    return db.sync.now();
  });
  assert.equal(report.sent, 2);
  assert.deepEqual([report.received, report.errors, report.retries, report.conflicts], [0, 0, 0, 0]);
  assert.ok(report.bytesUp > 50 && report.bytesUp < 500, `${report.bytesUp} bytes up`);
  assert.ok(report.bytesDown > 10 && report.bytesDown < 500, `${report.bytesDown} bytes down`);
  const status = await one.status();
  assert.deepEqual([status.state, status.pending, status.failed], ['idle', 0, 0]);
});

test('JS-31 paused means silent: nothing is sent until the app resumes, and sync.now() says why', async () => {
  await using one = await device();
  await one.inStep();
  const paused = await one.page.evaluate(async () => {
    await db.sync.pause();
    await db.exec("INSERT INTO note (title) VALUES ('kept')");
    const refused = await db.sync.now().catch((error: Ebbtide.EbbtideError) => error.code);
    await new Promise((resolve) => setTimeout(resolve, 300));
    return { refused, state: db.sync.status.state, pending: db.sync.status.pending };
  });
  assert.deepEqual(paused, { refused: 'paused', state: 'paused', pending: 1 });
  await one.page.evaluate(() => db.sync.resume());
  await one.inStep();
});

test('JS-31 a pause outlives the worker: a page that comes back from the cache is still paused', async () => {
  await using one = await device();
  await one.inStep();
  await one.page.evaluate(() => db.sync.pause());
  const address = one.page.url();
  await one.page.goto(`${address}page.js`);
  await one.page.goBack({ waitUntil: 'commit' });
  await one.exec("INSERT INTO note (title) VALUES ('kept')");
  const { state, pending } = await one.page.evaluate(() => new Promise<Ebbtide.SyncStatus>((resolve) => {
    const look = () => (db.sync.status.pending === 1 ? resolve(db.sync.status) : setTimeout(look, 20));
    look();
  }));
  assert.deepEqual([state, pending], ['paused', 1]);
  await one.page.evaluate(() => db.sync.resume());
  await one.inStep();
});

test('JS-90 a statement whose write can be sent at once waits for the disk once, before it is sent or answered', async () => {
  await using one = await device();
  await one.inStep();
  const worker = one.page.workers()[0]!;
  await worker.evaluate(() => {
    const told: string[] = [];
    Object.assign(globalThis, { told });
    const tell = (on: object, name: string, event: string) => {
      const own = (on as Record<string, (...given: unknown[]) => unknown>)[name]!;
      Object.defineProperty(on, name, { configurable: true, value(...given: unknown[]) { told.push(event); return own.apply(this, given); } });
    };
    tell(FileSystemSyncAccessHandle.prototype, 'flush', 'flush');
    tell(WebSocket.prototype, 'send', 'send');
    tell(globalThis, 'postMessage', 'answer');
  });
  const told = () => worker.evaluate(() => (globalThis as unknown as { told: string[] }).told.splice(0));
  await told();
  await one.exec("INSERT INTO note (title) VALUES ('sent at once')");
  await one.inStep();
  const events = await told();
  assert.deepEqual(events.slice(0, 2), ['flush', 'send'], events.join());
  // What cannot be sent is made durable all the same.
  await one.page.evaluate(() => db.sync.pause());
  await told();
  await one.exec("INSERT INTO note (title) VALUES ('kept')");
  assert.deepEqual((await told()).slice(0, 2), ['flush', 'answer']);
});

test('JS-32 without sockets the same conversation runs over requests', async () => {
  await using one = await device();
  await one.close();
  // A network that swallows sockets and lets requests through.
  await one.browser.context.routeWebSocket(/\/socket$/, (socket) => socket.close({ code: 1006 as never }).catch(() => undefined));
  const sockets: string[] = [];
  await one.open();
  one.page.on('websocket', (socket) => sockets.push(socket.url()));
  await one.exec("INSERT INTO note (title) VALUES ('by request')");
  await one.inStep();
  const report = await one.page.evaluate(async () => {
    await db.exec("INSERT INTO note (title) VALUES ('again')");
    return db.sync.now();
  });
  assert.equal(report.errors, 0);
  assert.equal((await one.status()).pending, 0);
});

test('JS-33 a token is asked for once, again when it was refused, and its absence is told as signed_out', async () => {
  await using one = await device();
  await one.inStep();
  const found = await one.page.evaluate(async (space) => {
    const { open } = globalThis.ebbtide;
    let asked = 0;
    const token = () => `not.a.${asked++}token`;
    const bad = await open({ name: 'signed-out', schema: globalThis.schema, sync: { url: '/ebbtide', space, token } });
    await bad.exec("INSERT INTO note (title) VALUES ('waits')");
    const code = await bad.sync.now().then(() => 'in step', (error: Ebbtide.EbbtideError) => [error.code, error.retryable]);
    const { state, reason, pending } = bad.sync.status;
    await bad.close();
    return { code, state, reason, pending, asked: asked >= 2 && asked <= 4 };
  }, `driver-${spaces++}`);
  assert.deepEqual(found, { code: ['signed_out', false], state: 'error', reason: 'signed_out', pending: 1, asked: true });
});

test('JS-33 a token is asked for while the database opens, and that one is used', async () => {
  await using one = await device();
  await one.inStep();
  const asked = await one.page.evaluate(async (space) => {
    const counts: number[] = [];
    let asked = 0;
    const token = async () => {
      asked += 1;
      const response = await fetch(`/ebbtide/dev/token?${new URLSearchParams({ user: 'ann', spaces: space })}`, { method: 'POST' });
      return ((await response.json()) as { token: string }).token;
    };
    const other = await globalThis.ebbtide.open({ name: 'early', schema: globalThis.schema, sync: { url: '/ebbtide', space, token } });
    counts.push(asked);
    await other.sync.now();
    counts.push(asked);
    await other.close();
    const local = await globalThis.ebbtide.open({ name: 'early', schema: globalThis.schema });
    counts.push(asked);
    await local.close();
    return counts;
  }, `driver-${spaces++}`);
  assert.deepEqual(asked, [1, 1, 1]);
});

test('JS-33 a token function that throws is told, and the sync goes on by itself when it recovers', async () => {
  await using one = await device();
  await one.refuseTokens();
  await one.close();
  await one.open();
  await until('the failure is told', async () => (await one.status()).reason === 'token_failed');
  await one.exec("INSERT INTO note (title) VALUES ('waits')");
  await one.allowTokens();
  await one.inStep();
});

test('JS-33 a token that comes while a transaction is open disturbs neither', async () => {
  await using one = await device();
  await one.inStep();
  await one.refuseTokens();
  await one.close();
  await one.open();
  await one.exec("INSERT INTO note (title) VALUES ('without a token')");
  await until('it is sealed, and owed to the service worker', () => one.page.evaluate(async () => (await db.sync.inspect()).changesets.length > 0));
  await one.allowTokens();
  await one.browser.context.route('**/dev/token*', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    await route.continue();
  });
  const states = await one.page.evaluate(async () => {
    const seen: string[] = [];
    const synced = db.sync.now();
    db.sync.addEventListener('status', ({ detail }) => { seen.push(`${detail.state} ${detail.reason ?? ''}`); });
    await db.transaction(async (tx) => {
      await tx.exec("INSERT INTO note (title) VALUES ('in the meantime')");
      for (let at = 0; at < 40; at++) {
        await tx.get('SELECT count(*) FROM note');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
    await synced;
    return seen;
  });
  await one.browser.context.unroute('**/dev/token*');
  assert.ok(states.length > 0 && states.every((state) => !state.startsWith('error')), states.join());
  await one.inStep();
});

test('JS-34 events tell of the status and of applied commits', async () => {
  await using one = await device();
  await one.inStep();
  const events = await one.page.evaluate(async () => {
    const seen: string[] = [];
    db.sync.addEventListener('applied', (event) => seen.push(`applied ${event.detail.seq}`));
    db.sync.addEventListener('status', (event) => { if (event.detail.state === 'idle') seen.push('idle'); });
    await db.exec("INSERT INTO note (title) VALUES ('told')");
    await db.sync.now();
    return seen;
  });
  assert.ok(events.includes('applied 1') && events.includes('idle'), events.join());
});

test('JS-35 sync.inspect() shows what waits', async () => {
  await using one = await device();
  await one.inStep();
  const found = await one.page.evaluate(async () => {
    await db.sync.pause();
    await db.exec("INSERT INTO note (title) VALUES ('waits')");
    return db.sync.inspect();
  });
  assert.equal(found.status.state, 'paused');
  assert.match(found.device, /^[0-9a-f]{32}$/);
  assert.equal(found.unsealed + found.changesets.reduce((sum, changeset) => sum + changeset.transactions, 0), 1);
  assert.equal(found.storage.kind, 'opfs');
  assert.ok(found.storage.bytes > 8192);
});

test('JS-36 two-phase uploads of more than one chunk arrive whole', async () => {
  await using one = await device('always');
  await one.inStep();
  const report = await one.page.evaluate(async () => {
    // Text that does not compress, so that there are several chunks.
    const noise = () => Array.from(crypto.getRandomValues(new Uint8Array(600)), (byte) => byte.toString(16).padStart(2, '0')).join('');
    await db.sync.pause();
    await db.execMany('INSERT INTO note (title) VALUES (?)', Array.from({ length: 1_000 }, () => [noise()]));
    await db.sync.resume();
    return db.sync.now();
  });
  assert.deepEqual([report.sent, report.errors], [1, 0]);
  assert.ok(report.bytesUp > 500_000, `${report.bytesUp} bytes up`);
});

test('JS-37 a signal gives sync.now() up, not the sync', async () => {
  await using one = await device();
  await one.inStep();
  one.proxy.delay(300);
  const reason = await one.page.evaluate(async () => {
    await db.exec("INSERT INTO note (title) VALUES ('slow')");
    return db.sync.now({ signal: AbortSignal.timeout(50) }).then(() => 'in step', (error: Error) => error.name);
  });
  assert.equal(reason, 'TimeoutError');
  one.proxy.delay(0);
  await one.inStep();
});

test('JS-38 a local database can be kept in step later: what was written before is sent', async () => {
  await using one = await device();
  const found = await one.page.evaluate(async (space) => {
    const { open } = globalThis.ebbtide;
    const local = await open({ name: 'later', schema: globalThis.schema });
    await local.exec("INSERT INTO note (title) VALUES ('before')");
    const state = local.sync.status.state;
    const refused = await local.sync.now().catch((error: Ebbtide.EbbtideError) => error.code);
    await local.close();
    const token = async () => {
      const response = await fetch(`/ebbtide/dev/token?${new URLSearchParams({ user: 'ann', spaces: space })}`, { method: 'POST' });
      return ((await response.json()) as { token: string }).token;
    };
    await using synced = await open({ name: 'later', schema: globalThis.schema, sync: { url: '/ebbtide', space, token } });
    return { state, refused, sent: (await synced.sync.now()).sent };
  }, `driver-${spaces++}`);
  assert.deepEqual(found, { state: 'local', refused: 'not_syncing', sent: 1 });
});

test('JS-34 a refused transaction is told, listed with what it wanted, retried with edits and discarded', async () => {
  const options = { user: 'ann', space: `driver-${spaces++}` };
  await using one = await site.device(options);
  await using two = await site.device({ ...options, user: 'bob' });
  await Promise.all([one.inStep(), two.inStep()]);
  await two.page.evaluate(() => db.sync.pause());
  await one.exec("INSERT INTO tag (id, name) VALUES ('1', 'urgent')");
  await one.inStep();
  const found = await two.page.evaluate(async () => {
    const told: string[] = [];
    db.sync.addEventListener('rejected', (event) => told.push(event.detail.id));
    await db.exec("INSERT INTO tag (id, name) VALUES ('2', 'urgent')");
    await db.exec("INSERT INTO note (id, title) VALUES ('n', 'stays')");
    await db.sync.resume();
    const report = await db.sync.now();
    const listed = await db.rejected.list();
    const tags = await db.query('SELECT id FROM tag');
    const failed = db.sync.status.failed;
    const again = await db.rejected.retry(listed[0]!.id).catch((error: Ebbtide.EbbtideError) => error.code);
    const unknown = await db.rejected.retry('77').catch((error: Ebbtide.EbbtideError) => error.code);
    const wrong = await db.rejected.retry('x').catch((error: Ebbtide.EbbtideError) => error.code);
    const misfit = await db.rejected.retry(listed[0]!.id, [{ table: 'tag', key: [], values: {} }]).catch((error: Ebbtide.EbbtideError) => error.code);
    const stranger = await db.rejected.retry(listed[0]!.id, [{ table: 'tag', key: ['9'], values: { name: 'x' } }]).catch((error: Ebbtide.EbbtideError) => error.code);
    const stillListed = (await db.rejected.list()).length;
    await db.exec("UPDATE tag SET name = 'less urgent' WHERE id = '1'");
    await db.rejected.retry(listed[0]!.id, [{ table: 'tag', key: ['2'], values: { id: '3' } }]);
    await db.sync.now();
    const left = await db.rejected.list();
    await db.rejected.discard('77');
    return { told, errors: report.errors, listed, tags, failed, again, unknown, wrong, misfit, stranger, stillListed, left, all: await db.query('SELECT id, name FROM tag ORDER BY id') };
  });
  assert.deepEqual(found.told, [found.listed[0]!.id]);
  assert.equal(found.errors, 1);
  assert.equal(found.listed[0]!.reason, 'unique');
  assert.deepEqual(found.listed[0]!.changes, [{ table: 'tag', kind: 'insert', key: ['2'], values: { name: 'urgent' } }]);
  assert.deepEqual([found.tags, found.failed], [[{ id: '1' }], 1]);
  assert.deepEqual([found.again, found.unknown, found.wrong, found.stillListed], ['constraint_unique', 'bad_parameter', 'bad_parameter', 1]);
  assert.deepEqual([found.misfit, found.stranger], ['bad_parameter', 'bad_parameter']);
  assert.deepEqual(found.left, []);
  assert.deepEqual(found.all, [{ id: '1', name: 'less urgent' }, { id: '3', name: 'urgent' }]);
  await one.inStep();
  assert.deepEqual(await one.rows('SELECT id, name FROM tag ORDER BY id'), found.all);
});

test('JS-39 a value that was overwritten unseen is recorded with its row and field', async () => {
  const options = { user: 'ann', space: `driver-${spaces++}` };
  await using one = await site.device(options);
  await using two = await site.device({ ...options, user: 'bob' });
  await one.exec("INSERT INTO note (id, count) VALUES ('n', 1)");
  await one.inStep();
  await until('the row is there', async () => (await two.rows('SELECT id FROM note')).length === 1);
  await Promise.all([one, two].map((device) => device.page.evaluate(() => db.sync.pause())));
  await one.exec("UPDATE note SET count = 0 WHERE id = 'n'");
  await new Promise((resolve) => setTimeout(resolve, 5));
  await two.exec("UPDATE note SET count = 2 WHERE id = 'n'");
  await one.page.evaluate(() => db.sync.resume());
  await one.inStep();
  await one.page.evaluate(() => {
    Object.assign(globalThis, { told: 0 });
    db.sync.addEventListener('conflict', (event) => Object.assign(globalThis, { told: event.detail.count }));
  });
  await two.page.evaluate(() => db.sync.resume());
  await until('the overwrite is told', async () => (await one.page.evaluate('told')) === 1);
  const [record] = await one.page.evaluate(() => db.conflicts.decided());
  const { incumbent, challenger, seq, ...place } = record!;
  assert.deepEqual(place, { table: 'note', key: ['n'], column: 'count', kept: 'challenger', lost: 0 });
  assert.deepEqual([incumbent.value, incumbent.author, incumbent.mine], [0, 'ann', true]);
  assert.deepEqual([challenger.value, challenger.author, challenger.mine], [2, 'bob', false]);
  assert.ok(seq > 0);
});
