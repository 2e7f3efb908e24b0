/**
 * Three browsers that write whatever comes to mind, while their networks come and go, pages are closed and the server dies: the simulator's work, on real disks.
 * When all is quiet again they, and a newcomer, must hold the same rows. What they do is drawn from a seed that a failure names.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestDevice } from '../harness/device.ts';
import { startSite, type Site } from '../harness/site.ts';
import { caughtUp } from '../harness/together.ts';
import { pause } from '../harness/until.ts';

const ROUNDS = 120;
const TABLES = ['visit', 'kept', 'disputed'] as const;
const IDS = ['a', 'b', 'c', 'd', 'e'];

let site: Site;

before(async () => { site = await startSite('merging-server.ts'); });
after(() => site[Symbol.asyncDispose]());

/** Small whole numbers, the same for the same seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    // The generator that the C standard gives as an example: good enough to choose among a few things.
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
}

function statement(draw: (below: number) => number): [sql: string, parameters: (string | number | null)[]] {
  const table = TABLES[draw(6)] ?? 'visit';
  const id = IDS[draw(IDS.length)]!;
  const any = [0, 1, -3, 7, null][draw(5)]!;
  const word = ['', 'zero', 'one', 'two', null][draw(5)]!;
  if (table !== 'visit') {
    return [
      [`INSERT INTO ${table} (id, name) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name`, [id, word]],
      [`DELETE FROM ${table} WHERE id = ?`, [id]],
    ][draw(2)] as [string, (string | number | null)[]];
  }
  const set = (column: string, value: string | number | null) => [`UPDATE visit SET ${column} = ? WHERE id = ?`, [value, id]] as const;
  return [
    ['INSERT INTO visit (id, doses, notes) VALUES (?, 1, ?) ON CONFLICT (id) DO UPDATE SET doses = doses + 1', [id, word]],
    ['UPDATE visit SET doses = doses + coalesce(?, 2) WHERE id = ?', [any, id]],
    ["UPDATE visit SET notes = coalesce(notes, '') || ? WHERE id = ?", [` ${word ?? 'x'}`, id]],
    ['UPDATE visit SET notes = ? || notes WHERE id = ?', [`${word ?? 'x'} `, id]],
    set('diagnosis', word), set('opened_by', word), set('lowest', any), set('highest', any), set('stage', word), set('score', any), set('place', word),
    set('tags', JSON.stringify([word, any])),
    ['DELETE FROM visit WHERE id = ?', [id]],
  ][draw(13)] as [string, (string | number | null)[]];
}

/** What all must agree on: rows, and what waits for a person. */
function held(device: TestDevice): Promise<object> {
  return device.page.evaluate(async () => ({
    visits: await db.query('SELECT * FROM visit ORDER BY id'),
    kept: await db.query('SELECT * FROM kept ORDER BY id'),
    disputed: await db.query('SELECT * FROM disputed ORDER BY id'),
    open: (await db.conflicts.list()).map(({ id, table, key, column, sides }) => ({ id, table, key, column, sides: sides.map(({ value, author }) => [value, author]) }))
      .toSorted((one, other) => (one.id < other.id ? -1 : 1)),
  }));
}

test('JS-159 three browsers at work on a bad network, with a server that dies, end alike', { timeout: 300_000 }, async (context) => {
  const seed = Number(process.env['EBBTIDE_SEED'] ?? Date.now() % 1_000_000);
  context.diagnostic(`EBBTIDE_SEED=${seed}`);
  const draw = numbers(seed);
  const options = { space: 'together', app: 'merging' } as const;
  await using ann = await site.device({ ...options, user: 'ann' });
  await using bob = await site.device({ ...options, user: 'bob' });
  await using cid = await site.device({ ...options, user: 'cid', twoPhase: 'always' });
  const devices = [ann, bob, cid];
  for (let round = 0; round < ROUNDS; round++) {
    const device = devices[draw(devices.length)]!;
    switch (draw(30)) {
      case 0: device.proxy.goOffline(); break;
      case 1: case 2: device.proxy.goOnline(); break;
      case 3:
        await site.worker.kill();
        await site.worker.restart();
        for (const { proxy } of devices) proxy.retarget(site.worker.port);
        break;
      case 4:
        device.proxy.goOnline();
        await device.close();
        await device.open();
        break;
      case 5: {
        const [conflict] = await device.page.evaluate(() => db.conflicts.list());
        // Somebody else may have been faster.
        if (conflict !== undefined) await device.page.evaluate((id) => db.conflicts.resolve(id, { side: 1 }).catch(() => undefined), conflict.id);
        break;
      }
      default: await device.exec(...statement(draw));
    }
    if (draw(4) === 0) await pause(draw(60));
  }
  for (const { proxy } of devices) proxy.goOnline();
  for (const device of devices) {
    await device.page.evaluate(() => db.sync.now());
    await device.inStep();
  }
  await caughtUp(devices);
  await using dan = await site.device({ ...options, user: 'dan' });
  await dan.inStep();
  const expected = await held(ann);
  for (const device of [bob, cid, dan]) assert.deepEqual(await held(device), expected);
});
