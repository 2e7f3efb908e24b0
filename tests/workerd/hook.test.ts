/**
 * `onCommit` in real workerd: what the app is told of commits, in which order, and that neither its failures nor a crash lose any.
 * The app's function notes what it was told in D1.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { schema } from './app/schema.ts';
import { Device } from './harness/device.ts';
import { Frames } from './harness/frames.ts';
import { Server } from './harness/server.ts';

const entry = fileURLToPath(new URL('app/hooked.ts', import.meta.url));
let frames: Frames;
before(() => {
  frames = new Frames(schema);
});
after(() => {
  frames[Symbol.dispose]();
});

interface Told { space: string; seq: number; at: number; identity: object; part: number; last: boolean; count: number; changes: object[] }

async function told(server: Server, space: string, commits: number): Promise<Told[]> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await wait(100)) {
    const rows = await server.d1('SELECT told FROM told WHERE space=? ORDER BY id', space).catch(() => []);
    const calls = rows.map((row) => JSON.parse(String(row['told'])) as Told);
    if (calls.filter(({ last }) => last).length >= commits) return calls;
  }
  throw new Error('waited in vain for onCommit');
}

const household = (id: string, name: string) => ({ table: 'household', key: [id], insert: { name, code: null } });
const renamed = (id: string, name: string, base: number) => ({ table: 'household', key: [id], update: { name }, base });

test('RU-60 the app is told of each commit after it, in order, with what became of which rows, and again after it failed', async () => {
  await using server = await Server.start({ entry });
  const [a, other] = [new Device(server, frames, 'hooked'), new Device(server, frames, 'other')];
  await a.sync(a.submit([household('h', 'first'), { table: 'visit', key: ['v'], insert: { household: 'h', doses: 2, notes: null } }]));
  await a.sync(a.submit([renamed('h', 'refused twice', 1)]));
  await a.sync(a.submit([{ table: 'visit', key: ['v'], base: 2 }]));
  await other.sync(other.submit([household('o', 'elsewhere')]));
  const calls = await told(server, 'hooked', 3);
  assert.deepEqual(calls.map(({ seq, part, last }) => [seq, part, last]), [[1, 0, true], [2, 0, true], [3, 0, true]]);
  assert.deepEqual(calls.map(({ changes }) => changes), [
    [
      { table: 'household', key: ['h'], kind: 'insert', values: { name: 'first', code: null } },
      { table: 'visit', key: ['v'], kind: 'insert', values: { household: 'h', doses: 2, notes: null } },
    ],
    [{ table: 'household', key: ['h'], kind: 'update', values: { name: 'refused twice' } }],
    [{ table: 'visit', key: ['v'], kind: 'delete', values: {} }],
  ]);
  assert.deepEqual(calls[0]?.identity, { user: `user of ${a.id.slice(0, 4)}`, device: a.id });
  assert.ok(Math.abs(Date.now() - calls[0]!.at) < 60_000);
  assert.deepEqual((await told(server, 'other', 1)).map(({ space, seq }) => [space, seq]), [['other', 1]]);
  const history = await server.d1("SELECT count(*) AS n FROM ebbtide_change WHERE space='hooked'");
  assert.deepEqual(history, [{ n: 4 }], 'the history goes its own way');
});

test('RU-61 a large commit is told in parts', async () => {
  await using server = await Server.start({ entry });
  const a = new Device(server, frames, 'large');
  await a.sync(a.submit(Array.from({ length: 2_500 }, (_, at) => household(`h${at}`, 'x'))));
  const calls = await told(server, 'large', 1);
  assert.deepEqual(calls.map(({ seq, part, last, count }) => [seq, part, last, count]), [[1, 0, false, 1_000], [1, 1_000, false, 1_000], [1, 2_000, true, 500]]);
});

test('RU-62 a crash between the commit and the telling loses nothing, and commits from before the function are not told', async () => {
  await using server = await Server.start();
  const a = new Device(server, frames, 'crash');
  await a.sync(a.submit([household('h', 'before the function')]));
  await server.restart({ entry });
  await a.sync(a.submit([renamed('h', 'told', 1)]));
  await told(server, 'crash', 1);
  await a.sync(a.submit([renamed('h', 'killed', 2)]));
  await server.kill();
  await server.restart();
  await a.sync();
  const calls = await told(server, 'crash', 2);
  assert.deepEqual([...new Set(calls.map(({ seq }) => seq))], [2, 3]);
});
