/**
 * What a space keeps: over a restart, a hibernation, a kill in the middle of commits, and into D1.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { schema } from './app/schema.ts';
import { Device } from './harness/device.ts';
import { Frames, type Message } from './harness/frames.ts';
import { Server } from './harness/server.ts';

let frames: Frames;
before(() => { frames = new Frames(schema); });
after(() => frames[Symbol.dispose]());

const household = (id: string, name: string) => ({ table: 'household', key: [id], insert: { name, code: null } });

/** The ids of all households that a new device gets. */
async function allIds(server: Server, space: string): Promise<string[]> {
  const reader = new Device(server, frames, space);
  const ids: string[] = [];
  for (let before = -1; before !== reader.cursor;) {
    before = reader.cursor;
    const ranges = (await reader.sync()).filter(({ type }) => type === 'range');
    for (const item of ranges.flatMap((range) => range['items'] as Message[])) {
      ids.push(...(item['outcomes'] as { key: string[] }[]).map(({ key }) => key[0] ?? ''));
    }
  }
  return ids;
}

async function until<T>(what: string, find: () => Promise<T | undefined>): Promise<T> {
  for (const deadline = Date.now() + 15_000; Date.now() < deadline; await wait(100)) {
    const found = await find();
    if (found !== undefined) return found;
  }
  throw new Error(`waited in vain for ${what}`);
}

/** The commits of a space as D1 has them: `1 h` is an insert of household h by commit 1. */
async function historyOf(server: Server, space: string, most: number): Promise<string[]> {
  const place = "SELECT 1 FROM ebbtide_space WHERE space=? AND seq=?";
  await until(`commit ${most} in D1`, async () => (await server.d1(place, space, most).catch(() => [])).at(0));
  const rows = await server.d1('SELECT seq,key FROM ebbtide_change WHERE space=? ORDER BY seq,op', space);
  return rows.map(({ seq, key }) => `${String(seq)} ${(JSON.parse(String(key)) as string[]).join()}`);
}

test('SV-30 a restart keeps rows, numbers and cursors', async () => {
  await using server = await Server.start();
  const a = new Device(server, frames, 'restart');
  await a.sync(a.submit([household('h', 'kept')]));
  await server.restart();
  const answers = await a.sync(a.submit([household('i', 'after')]));
  assert.equal(answers.find(({ type }) => type === 'receipt')?.['seq'], 2);
  assert.deepEqual(await allIds(server, 'restart'), ['h', 'i']);
});

test('SV-270 a request that fails midway in storage is answered with an error that carries what was decided before', async () => {
  await using server = await Server.start();
  const a = new Device(server, frames, 'midway');
  await a.sync(a.submit([household('h', 'before')]));
  await server.alter("CREATE TRIGGER failing BEFORE INSERT ON _ebb_commit WHEN NEW.seq = 3 BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END");
  await server.restart();
  a.next = 4;
  const request = await frames.encode([a.hello(), a.submit([household('i', 'two')], 2), a.submit([household('j', 'three')], 3)]);
  const failed = await a.post(request);
  assert.equal(failed.status, 500);
  const said = await frames.decode(new Uint8Array(await failed.arrayBuffer()));
  assert.deepEqual(said.filter(({ type }) => type === 'receipt').map((receipt) => receipt['deviceSeq']), [2]);
  assert.equal(said.at(-1)?.['code'], 'server_error');
  assert.deepEqual(await allIds(server, 'midway'), ['h', 'i'], 'what was decided before it stands');
  await server.alter('DROP TRIGGER failing');
  await server.restart();
  const again = await a.post(request);
  assert.equal(again.status, 200);
  const receipts = (await frames.decode(new Uint8Array(await again.arrayBuffer()))).filter(({ type }) => type === 'receipt');
  assert.deepEqual(receipts.at(-1)?.['seq'], 3);
  assert.deepEqual(await allIds(server, 'midway'), ['h', 'i', 'j'], 'sent again it counts once');
});

test('SV-31 a socket outlives its object in memory', async () => {
  await using server = await Server.start();
  const [a, b] = [new Device(server, frames, 'sleep'), new Device(server, frames, 'sleep')];
  using socket = await a.connect();
  await server.evict('sleep');
  await b.sync(b.submit([household('h', 'while asleep')]));
  const pushed = await socket.receive();
  assert.equal((pushed[0]?.['items'] as Message[]).length, 1, 'pushed by an object that did not know the socket');
  a.note(pushed);
  await server.evict('sleep');
  await socket.send(a.submit([household('i', 'awake again')]));
  assert.equal((await socket.receive()).find(({ type }) => type === 'receipt')?.['seq'], 2);
});

test('SV-106 a cursor is written down when its socket ends, also when the object was asleep', async () => {
  await using server = await Server.start();
  const [a, b] = [new Device(server, frames, 'leaves'), new Device(server, frames, 'leaves')];
  const socket = await b.connect();
  for (const id of ['h', 'i', 'j']) await a.sync(a.submit([household(id, 'x')]));
  await socket.send({ type: 'applied', seq: 2 }, { type: 'pull', cursor: 2 });
  while (!(await socket.receive()).some(({ type }) => type === 'range' || type === 'refused'));
  const noted = () => server.stored<{ cursor: number }>('SELECT cursor FROM _ebb_author WHERE incarnation = unhex(?)', b.id);
  assert.equal(noted()?.cursor, 0);
  await server.evict('leaves');
  socket[Symbol.dispose]();
  await until('the cursor', async () => (noted()?.cursor === 2 ? true : undefined));
});

test('SV-32 workerd killed in the middle of commits loses nothing that was acknowledged', async () => {
  await using server = await Server.start();
  const acknowledged: string[] = [];
  const sent: string[] = [];
  for (let round = 0; round < 3; round += 1) {
    let running = true;
    const writers = Array.from({ length: 4 }, async () => {
      const device = new Device(server, frames, 'killed');
      while (running) {
        const ids = [randomUUID(), randomUUID()];
        sent.push(...ids);
        const answers = await device.sync(device.submit(ids.map((id) => household(id, 'x')))).catch(() => undefined);
        if (answers === undefined) return;
        assert.equal(answers.filter(({ type }) => type === 'refused').length, 0);
        acknowledged.push(...ids);
      }
    });
    await wait(300 + Math.random() * 500);
    await server.kill();
    running = false;
    await Promise.all(writers);
    await server.restart();
  }
  const ids = await allIds(server, 'killed');
  assert.equal(new Set(ids).size, ids.length, 'no row twice');
  const present = new Set(ids);
  assert.ok(acknowledged.length > 20, `${acknowledged.length} rows were acknowledged`);
  assert.deepEqual(acknowledged.filter((id) => !present.has(id)), [], 'every acknowledged row is there');
  assert.deepEqual(ids.filter((id) => !sent.includes(id)), [], 'and no other');
  for (let at = 0; at < ids.length; at += 2) {
    const place = sent.indexOf(ids[at] ?? '');
    assert.equal(sent[place + 1], ids[at + 1], 'transactions are whole');
  }
});

test('SV-33 the change history arrives in D1, in order and once', async () => {
  await using server = await Server.start();
  const [a, b] = [new Device(server, frames, 'history'), new Device(server, frames, 'history')];
  await a.sync(a.submit([household('h', 'first')]));
  await b.sync();
  await b.sync(b.submit([{ table: 'household', key: ['h'], update: { name: '', code: 'c' }, base: 1 }]));
  await a.sync(a.submit([{ table: 'household', key: ['h'], base: 2 }]));
  const query = 'SELECT seq,kind,tbl,key,col,value,user,device FROM ebbtide_change WHERE space=? ORDER BY seq,op';
  const rows = await until('three commits in D1', async () => {
    const found = await server.d1(query, 'history').catch(() => []);
    return found.length >= 4 ? found : undefined;
  });
  const by = (device: Device) => ({ user: `user of ${device.id.slice(0, 4)}`, device: device.id });
  assert.deepEqual(rows, [
    { seq: 1, kind: 'insert', tbl: 'household', key: '["h"]', col: null, value: '{"code":null,"name":"first"}', ...by(a) },
    { seq: 2, kind: 'update', tbl: 'household', key: '["h"]', col: 'name', value: '""', ...by(b) },
    { seq: 2, kind: 'update', tbl: 'household', key: '["h"]', col: 'code', value: '"c"', ...by(b) },
    { seq: 3, kind: 'delete', tbl: 'household', key: '["h"]', col: null, value: null, ...by(a) },
  ]);
  await server.restart();
  await a.sync(a.submit([household('i', 'later')]));
  await until('the fourth commit in D1', async () => {
    const found = await server.d1(query, 'history');
    return found.length === 5 ? found : undefined;
  });
  assert.deepEqual(await server.d1('SELECT space,seq FROM ebbtide_space'), [{ space: 'history', seq: 4 }]);
  assert.equal((await server.d1('SELECT device FROM ebbtide_device')).length, 2);
});

test('SV-33 a large commit arrives in several steps, each row once', async () => {
  await using server = await Server.start();
  const first = new Device(server, frames, 'first');
  await first.sync(first.submit([household('h', 'makes the tables')]));
  await historyOf(server, 'first', 1);
  await server.d1('CREATE TABLE step (space TEXT, seq INTEGER, part INTEGER)');
  await server.d1('CREATE TRIGGER stepped AFTER UPDATE ON ebbtide_space BEGIN INSERT INTO step VALUES (NEW.space, NEW.seq, NEW.part); END');
  const a = new Device(server, frames, 'large');
  const names = Array.from({ length: 3000 }, () => randomUUID().repeat(8));
  await a.sync(a.submit(names.map((name, at) => household(`h${at}`, name))));
  await a.sync(a.submit([household('last', 'small')]));
  const count = 'SELECT count(*) AS n, count(DISTINCT key) AS keys, min(op) AS first, max(op) AS last FROM ebbtide_change WHERE seq=1 AND space=?';
  await until('the commit behind the large one', async () => {
    const last = await server.d1("SELECT 1 FROM ebbtide_change WHERE key='[\"last\"]'").catch(() => []);
    return last.length === 1 ? last : undefined;
  });
  assert.deepEqual(await server.d1(count, 'large'), [{ n: 3000, keys: 3000, first: 0, last: 2999 }]);
  const steps = await server.d1('SELECT seq,part FROM step WHERE space=?', 'large');
  assert.ok(steps.length > 2, `${steps.length} steps`);
});

test('SV-34 a step that D1 already has is not applied twice', async () => {
  await using server = await Server.start({ withoutD1: true });
  const a = new Device(server, frames, 'steps');
  await a.sync(a.submit([household('h', 'delivered before')]));
  await server.backUp('objects');
  await server.restart({});
  await a.sync();
  assert.deepEqual(await historyOf(server, 'steps', 1), ['1 h']);
  // As if the object had died after D1 took the first commit and before it noted so.
  await server.setBack('objects');
  await server.restart();
  await a.sync(a.submit([household('i', 'new')]));
  assert.deepEqual(await historyOf(server, 'steps', 2), ['1 h', '2 i']);
});

test('SV-214 a space that was set back has its own history in D1 again', async () => {
  await using server = await Server.start();
  const a = new Device(server, frames, 'back');
  await a.sync(a.submit([household('h', 'common')]));
  await historyOf(server, 'back', 1);
  await server.backUp('objects');
  await server.restart();
  for (const id of ['i', 'j', 'k']) await a.sync(a.submit([household(id, 'lost')]));
  assert.deepEqual(await historyOf(server, 'back', 4), ['1 h', '2 i', '3 j', '4 k']);
  await server.setBack('objects');
  await server.restart();
  const b = new Device(server, frames, 'back');
  await b.sync(b.submit([household('x', 'present')]));
  assert.deepEqual(await historyOf(server, 'back', 2), ['1 h', '2 x']);
  await b.sync(b.submit([household('y', 'present')]));
  assert.deepEqual(await historyOf(server, 'back', 3), ['1 h', '2 x', '3 y']);
  const devices = await server.d1('SELECT device,last_seq FROM ebbtide_device ORDER BY last_seq');
  assert.deepEqual(devices, [{ device: a.id, last_seq: 1 }, { device: b.id, last_seq: 3 }]);
});

test('SV-214 D1 that was set back, or is another one, gets what it lacks', async () => {
  await using server = await Server.start();
  const a = new Device(server, frames, 'again');
  await a.sync(a.submit([household('h', 'kept')]));
  await historyOf(server, 'again', 1);
  await server.backUp('d1');
  await server.restart();
  await a.sync(a.submit([household('i', 'lacked')]));
  await historyOf(server, 'again', 2);
  await server.setBack('d1');
  await server.restart();
  await a.sync(a.submit([household('j', 'new')]));
  assert.deepEqual(await historyOf(server, 'again', 3), ['1 h', '2 i', '3 j']);
  for (const table of ['change', 'device', 'space']) await server.d1(`DROP TABLE ebbtide_${table}`);
  await server.restart();
  await a.sync(a.submit([household('k', 'newer')]));
  assert.deepEqual(await historyOf(server, 'again', 4), ['1 h', '2 i', '3 j', '4 k']);
});

test('SV-35 without D1 the sync works all the same', async () => {
  await using server = await Server.start({ withoutD1: true });
  const a = new Device(server, frames, 'alone');
  assert.equal((await a.sync(a.submit([household('h', 'x')]))).some(({ type }) => type === 'receipt'), true);
});
