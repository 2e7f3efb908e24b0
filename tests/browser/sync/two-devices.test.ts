/**
 * Two devices, each a Chromium on a profile of its own behind a network of its own, against real workerd.
 * What the engine decides is tested elsewhere; here the whole path has to hold.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestDevice } from '../harness/device.ts';
import { startSite, type Site } from '../harness/site.ts';
import { pause, until } from '../harness/until.ts';

const NOTES = 'SELECT id, title, body, count FROM note ORDER BY id';
const ONE = 'SELECT id, title, body, count FROM note WHERE id = ?';

let site: Site;
let ama: TestDevice;
let ben: TestDevice;

before(async () => {
  site = await startSite();
  ama = await site.device({ user: 'ama', space: 'two' });
  ben = await site.device({ user: 'ben', space: 'two', twoPhase: 'always' });
  await both((device) => device.inStep());
});

after(async () => {
  for (const part of [ama, ben, site]) await part?.[Symbol.asyncDispose]();
});

test('JS-40 two devices that wrote offline hold the same rows once they are online', async () => {
  await both(async (device) => device.proxy.goOffline());
  await both(async (device, name) => {
    for (const number of [1, 2, 3]) await device.exec('INSERT INTO note (title, count) VALUES (?, ?)', [`${name} ${number}`, number]);
  });
  await both(async (device) => assert.equal((await device.rows(NOTES)).length, 3));
  await bothOnlineAndInStep();
  const [left, right] = [await ama.rows(NOTES), await ben.rows(NOTES)];
  assert.equal(left.length, 6);
  assert.deepEqual(left, right);
});

test('JS-41 two fields of one row, edited on two devices that do not see each other, both survive', async () => {
  const id = await sharedNote('fields');
  await both(async (device) => device.proxy.goOffline());
  await ama.exec('UPDATE note SET body = ? WHERE id = ?', ['of ama', id]);
  await ben.exec('UPDATE note SET count = ? WHERE id = ?', [42, id]);
  await bothOnlineAndInStep();
  const expected = [{ id, title: 'fields', body: 'of ama', count: 42 }];
  await both(async (device) => assert.deepEqual(await device.rows(ONE, [id]), expected));
});

test('JS-42 one field edited on both: both devices end with the same one of the two values', async () => {
  const id = await sharedNote('field');
  await both(async (device) => device.proxy.goOffline());
  await both((device, name) => device.exec('UPDATE note SET body = ? WHERE id = ?', [name, id]));
  await bothOnlineAndInStep();
  const [left, right] = [await ama.rows(ONE, [id]), await ben.rows(ONE, [id])];
  assert.deepEqual(left, right);
  assert.ok(['ama', 'ben'].includes(String(left[0]?.['body'])));
});

for (const [name, device, other] of [['one message', () => ama, () => ben], ['two phases', () => ben, () => ama]] as const) {
  test(`JS-43 the answer is lost after the commit, and the retry makes no second row (${name})`, async () => {
    const [writer, reader] = [device(), other()];
    const before = (await reader.rows(NOTES)).length;
    const lost = writer.proxy.loseNextReply();
    await writer.exec('INSERT INTO note (title) VALUES (?)', [`lost answer, ${name}`]);
    await lost;
    await writer.rows(NOTES);
    assert.equal((await writer.status()).pending, 1);
    writer.proxy.goOnline();
    await both((one) => one.inStep());
    await until('the row is on the other device', async () => (await reader.rows(NOTES)).length > before);
    await pause(500);
    await both(async (one) => {
      const found = await one.rows('SELECT count(*) AS n FROM note WHERE title = ?', [`lost answer, ${name}`]);
      assert.deepEqual(found, [{ n: 1 }]);
    });
    assert.deepEqual(await ama.rows(NOTES), await ben.rows(NOTES));
  });
}

test('JS-44 a row appears on the other device without a request of its own', async () => {
  await both((device) => device.inStep());
  await watchForTitle(ben, 'pushed');
  // What the connection still has to say (confirmations) has been said after this.
  await pause(3_000);
  ben.proxy.reset();
  await ama.exec('INSERT INTO note (title) VALUES (?)', ['pushed']);
  await ben.page.waitForFunction(() => (globalThis as { seenAt?: number }).seenAt);
  assert.deepEqual({ up: ben.proxy.traffic.up, connections: ben.proxy.traffic.connections }, { up: 0, connections: 0 });
  assert.ok(ben.proxy.traffic.down > 0);
});

test('JS-45 rows that belong together arrive together', async () => {
  await ben.page.evaluate(() => {
    const seen: number[] = [];
    Object.assign(globalThis, { seen });
    void (async () => {
      const sql = 'SELECT n.id, (SELECT count(*) FROM entry e WHERE e.note = n.id) AS n FROM note n WHERE n.title = ?';
      for await (const rows of globalThis.db.watch<{ n: number }>(sql, ['whole'])) seen.push(...rows.map((row) => row.n));
    })();
  });
  await ama.page.evaluate(() => globalThis.db.transaction(async (tx) => {
    const id = crypto.randomUUID();
    await tx.exec('INSERT INTO note (id, title) VALUES (?, ?)', [id, 'whole']);
    for (let number = 0; number < 50; number++) await tx.exec('INSERT INTO entry (note, text) VALUES (?, ?)', [id, String(number)]);
  }));
  await until('they are there', () => ben.page.evaluate(() => (globalThis as unknown as { seen: number[] }).seen.length > 0));
  assert.deepEqual(await ben.page.evaluate(() => (globalThis as unknown as { seen: number[] }).seen), [50]);
});

test('JS-46 on a slow line with a change every moment both end in the same state', async () => {
  await both(async (device) => device.proxy.delay(80));
  const id = await sharedNote('slow');
  const edits = [1, 2, 3, 4, 5, 6, 7, 8];
  await both(async (device, name) => {
    for (const number of edits) {
      await device.exec(name === 'ama' ? 'UPDATE note SET count = ? WHERE id = ?' : 'UPDATE note SET body = ? WHERE id = ?', [name === 'ama' ? number : `${number}`, id]);
      await pause(40);
    }
  });
  await until('both have the last values', async () => {
    const states = [await ama.rows(ONE, [id]), await ben.rows(ONE, [id])];
    return states.every(([row]) => row?.['count'] === 8 && row['body'] === '8');
  });
  await both(async (device) => device.proxy.delay(0));
});

test('JS-48 a large upload that is cut in the middle goes on where it was, also in a new page', async () => {
  const rows = 9_000;
  const cut = ama.proxy.cutAfter(1_200_000);
  await ama.page.evaluate(async (count) => {
    // Random text, so that compression leaves something to send.
    const text = () => Array.from(crypto.getRandomValues(new Uint8Array(200)), (byte) => byte.toString(36)).join('');
    await globalThis.db.execMany('INSERT INTO note (title, body) VALUES (?, ?)', Array.from({ length: count }, () => ['large', text()]));
  }, rows);
  await cut;
  const whole = await ama.page.evaluate(async () => (await globalThis.db.sync.inspect()).changesets.reduce((sum, { bytes }) => sum + bytes, 0));
  assert.deepEqual(await ben.rows("SELECT count(*) AS n FROM note WHERE title = 'large'"), [{ n: 0 }]);
  await ama.close();
  ama.proxy.reset();
  ama.proxy.goOnline();
  await ama.open();
  await ama.inStep();
  const sent = ama.proxy.traffic.up;
  await until('all rows are there', async () => (await ben.rows("SELECT count(*) AS n FROM note WHERE title = 'large'"))[0]?.['n'] === rows);
  assert.ok(sent < whole - 200_000, `${sent} bytes were sent after the cut, the whole has ${whole}`);
});

/** A note that both devices have. */
async function sharedNote(title: string): Promise<string> {
  const id = crypto.randomUUID();
  await ama.exec('INSERT INTO note (id, title) VALUES (?, ?)', [id, title]);
  await until('the note is on both devices', async () => (await ben.rows(ONE, [id])).length === 1);
  return id;
}

async function watchForTitle(device: TestDevice, title: string): Promise<void> {
  await device.page.evaluate(async (wanted) => {
    const results = globalThis.db.watch('SELECT title FROM note WHERE title = ?', [wanted]);
    await results.next();
    void results.next().then(() => { Object.assign(globalThis, { seenAt: performance.now() }); });
  }, title);
}

async function bothOnlineAndInStep(): Promise<void> {
  await both(async (device) => device.proxy.goOnline());
  // The devices retry by themselves; asking spares the wait between attempts.
  await both((device) => device.page.evaluate(async () => { await globalThis.db.sync.now(); }));
  // The first to be in step has not seen what the second sent after it.
  const cursor = Math.max((await ama.status()).cursor, (await ben.status()).cursor);
  await both((device) => until('it has everything', async () => (await device.status()).cursor >= cursor));
  await both((device) => device.inStep());
}

async function both(work: (device: TestDevice, name: string) => Promise<unknown>): Promise<void> {
  await Promise.all([work(ama, 'ama'), work(ben, 'ben')]);
}
