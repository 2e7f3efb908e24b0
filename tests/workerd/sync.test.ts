/**
 * Devices and a space in real workerd: both transports, both commit paths, retries, pushes, roles and bad input.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { schema } from './app/schema.ts';
import { Device, Socket, token } from './harness/device.ts';
import { Frames, type Message } from './harness/frames.ts';
import { Server } from './harness/server.ts';

let server: Server;
let frames: Frames;
before(async () => {
  frames = new Frames(schema);
  server = await Server.start();
});
after(async () => {
  frames[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

const household = (id: string, name: string | null, code: string | null = null) =>
  ({ table: 'household', key: [id], insert: { name, code } });
const rename = (id: string, name: string, base: number) => ({ table: 'household', key: [id], update: { name }, base });
const device = (space: string, role?: string, lifetime?: number) => new Device(server, frames, space, role, lifetime);
const of = (type: string, answers: readonly Message[]) => answers.filter((answer) => answer.type === type);
const items = (answers: readonly Message[]) => of('range', answers).flatMap((range) => range['items'] as Message[]);

test('SV-01 what one device submits, another pulls', async () => {
  const [a, b] = [device('pull'), device('pull')];
  const answers = await a.sync(a.submit([household('h1', 'Amina'), household('h2', '')]));
  assert.deepEqual(answers.map(({ type }) => type), ['welcome', 'range', 'receipt', 'range']);
  assert.deepEqual(of('receipt', answers)[0], {
    type: 'receipt', deviceSeq: 1, seq: 1, decidedAt: 1, asSent: true, conflicts: 0, rejected: [],
  });
  assert.equal(items(answers)[0]?.['kind'], 'ownAsSent');
  const [pulled] = items(await b.sync());
  assert.deepEqual(pulled?.['outcomes'], [
    { table: 'household', key: ['h1'], values: { name: 'Amina', code: null } },
    { table: 'household', key: ['h2'], values: { name: '', code: null } },
  ]);
  assert.equal(b.cursor, 1);
  assert.deepEqual(items(await b.sync()), [], 'nothing twice');
});

test('SV-02 a retry gets the same receipt and makes no second row', async () => {
  const a = device('retry');
  const changes = [household(randomUUID(), 'once')];
  const body = await frames.encode([a.hello(), a.submit(changes)]);
  const first = await frames.decode(new Uint8Array(await (await a.post(body)).arrayBuffer()));
  a.next = 2;
  const again = await frames.encode([a.hello(), a.submit(changes, 1)]);
  const second = await frames.decode(new Uint8Array(await (await a.post(again)).arrayBuffer()));
  assert.deepEqual(of('receipt', second).at(-1), of('receipt', first)[0]);
  const pulled = items(await device('retry').sync());
  assert.equal(pulled.length, 1);
  assert.equal((pulled[0]?.['outcomes'] as unknown[]).length, 1);
});

test('SV-02 other bytes under a decided number are refused', async () => {
  const a = device('other-bytes');
  await a.sync(a.submit([household('h', 'one')]));
  const [refused] = of('refused', await a.sync(a.submit([household('h', 'two')], 1)));
  assert.equal(refused?.['code'], 'hash_mismatch');
});

test('SV-03 a number out of order is not decided', async () => {
  const a = device('order');
  a.next = 3;
  const answers = await a.sync(a.submit([household('h', 'x')], 2));
  assert.equal(of('expected', answers)[0]?.['deviceSeq'], 1);
});

test('SV-04 a large changeset goes up in chunks and is decided in two phases', async () => {
  const [a, b] = [device('staged'), device('staged')];
  const changes = Array.from({ length: 3000 }, () => household(randomUUID(), randomUUID() + randomUUID()));
  const base = { deviceSeq: 1, transactions: [{ stamp: 65536 * 1000, changes }] };
  const stage = (index: number): Message => ({ ...base, type: 'stage', index });
  const [staged] = of('staged', await a.sync(stage(0)));
  assert.equal(staged?.['nextChunk'], 1);
  assert.equal(items(await b.sync()).length, 0, 'staged data is invisible');
  assert.equal(of('staged', await a.sync({ ...base, type: 'resume' }))[0]?.['nextChunk'], 1);
  assert.equal(of('staged', await a.sync(stage(1)))[0]?.['nextChunk'], 2);
  assert.equal(of('prepared', await a.sync({ ...base, type: 'prepare' })).length, 1);
  assert.equal(of('receipt', await a.sync({ ...base, type: 'commit' }))[0]?.['seq'], 1);
  const greeting = await b.sync();
  assert.deepEqual([items(greeting).length, of('head', greeting)[0]?.['seq']], [0, 1], 'more than comes with a welcome');
  const pull = { type: 'pull', cursor: 0, maxBytes: 2 ** 20 };
  assert.equal((items(await b.sync(pull))[0]?.['outcomes'] as unknown[]).length, 3000);
});

test('SV-05 a commit is pushed to the other sockets without a request of theirs', async () => {
  const [a, b] = [device('push'), device('push')];
  using left = await a.connect();
  using right = await b.connect();
  await left.send(a.submit([household('h', 'pushed')]));
  const pushed = await right.receive();
  assert.deepEqual(items(pushed)[0]?.['outcomes'], [{ table: 'household', key: ['h'], values: { name: 'pushed', code: null } }]);
  assert.deepEqual((await left.receive()).map(({ type }) => type), ['receipt', 'range']);
  await b.sync(); // over HTTP, beside the socket
  const c = device('push');
  await c.sync(c.submit([household('i', 'by http')]));
  assert.equal(items(await right.receive()).length, 1, 'HTTP commits are pushed as well');
});

test('SV-06 two fields of one row survive, one field goes to the later', async () => {
  const [a, b] = [device('merge'), device('merge')];
  await a.sync(a.submit([household('h', 'old', 'c1')]));
  await b.sync();
  await a.sync(a.submit([rename('h', 'from a', 1)]));
  const answers = await b.sync(b.submit([{ table: 'household', key: ['h'], update: { code: 'c2' }, base: 1 }]));
  assert.equal(of('receipt', answers)[0]?.['conflicts'], 0);
  const late = await b.sync({ ...b.submit([rename('h', 'from b', 1)]), type: 'submit' });
  assert.equal(of('receipt', late)[0]?.['conflicts'], 1, 'a value overwritten unseen is recorded');
});

test('SV-07 constraints refuse a transaction by name and nothing else', async () => {
  const a = device('constraints');
  const at = Date.now() * 65536;
  const answers = await a.sync({
    type: 'submit', deviceSeq: 1, transactions: [
      { stamp: at + 1, changes: [household('h1', 'first', 'same')] },
      { stamp: at + 2, changes: [household('h2', 'second', 'same')] },
      { stamp: at + 3, changes: [{ table: 'visit', key: ['v'], insert: { household: 'nowhere', doses: 1 } }] },
      { stamp: at + 4, changes: [{ table: 'visit', key: ['w'], insert: { household: 'h1', doses: -1 } }] },
      { stamp: at + 5, changes: [{ table: 'visit', key: ['x'], insert: { household: 'h1', doses: 0 } }] },
    ],
  });
  const rejected = of('receipt', answers)[0]?.['rejected'] as { index: number; reason: string }[];
  assert.deepEqual(rejected.map(({ index, reason }) => [index, reason]), [[1, 'unique'], [2, 'foreign_key'], [3, 'constraint']]);
  assert.equal(items(await device('constraints').sync()).length, 1);
});

test('SV-08 a reader reads and its changes are refused', async () => {
  const writer = device('roles');
  await writer.sync(writer.submit([household('h', 'x')]));
  const reader = device('roles', 'reader');
  const answers = await reader.sync(reader.submit([household('i', 'y')]));
  assert.equal(items(answers).length, 1);
  assert.equal((of('receipt', answers)[0]?.['rejected'] as { reason: string }[])[0]?.reason, 'forbidden');
});

test('SV-24 garbage over HTTP is typed, changes nothing, and the server stays up', async () => {
  const a = device('garbage');
  await a.sync(a.submit([household('h', 'x')]));
  const good = await frames.encode([a.hello(), a.submit([household('i', 'y')])]);
  const bodies: [string, Uint8Array<ArrayBuffer>, number, string][] = [
    ['empty', new Uint8Array(), 400, 'malformed_message'],
    ['zeroes', new Uint8Array(1000), 426, 'unsupported_version'],
    ['unknown version', Uint8Array.from([9, ...good.slice(1)]), 426, 'unsupported_version'],
    ['truncated', good.slice(0, good.length - 3), 400, 'malformed_message'],
    ['no hello', await frames.encode([a.submit([household('i', 'y')])]), 400, 'malformed_message'],
    ['random', crypto.getRandomValues(new Uint8Array(5000)).fill(1, 0, 1), 400, 'malformed_message'],
  ];
  for (const [name, body, status, code] of bodies) {
    const response = await a.post(body);
    assert.deepEqual([response.status, ((await response.json()) as Message)['code']], [status, code], name);
  }
  const sealed = await a.sync({ type: 'submit', deviceSeq: 2, bytes: '00ff00ff' });
  assert.equal(of('refused', sealed)[0]?.['code'], 'malformed_message', 'garbage within a good frame');
  assert.equal((await a.sync()).length > 0, true);
  assert.equal(a.cursor, 1);
});

test('SV-24 a body that is too large is refused before it is read', async () => {
  const a = device('large');
  const length = 42 * 1024 * 1024;
  // Only the head is sent: an answer that comes now was not waited for.
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = { ...a.headers, 'Content-Length': length };
    request(a.url('sync'), { method: 'POST', headers }).on('response', resolve).on('error', reject).flushHeaders();
  });
  assert.equal(answer.statusCode, 413);
  assert.equal((await json(answer) as Message)['code'], 'too_large');
  answer.destroy();
  const chunked = request(a.url('sync'), { method: 'POST', headers: { ...a.headers, 'Transfer-Encoding': 'chunked' } });
  const refused = once(chunked, 'response') as Promise<[IncomingMessage]>;
  chunked.on('error', () => undefined); // the rest of what is sent may find the connection closed
  for (let sent = 0; sent < length; sent += 1024 * 1024) chunked.write(Buffer.alloc(1024 * 1024, 1));
  chunked.end();
  const [late] = await refused;
  assert.deepEqual([late.statusCode, (await json(late) as Message)['code']], [413, 'too_large']);
});

test('SV-18 the client id is the device of the hello', async () => {
  const a = device('client-id');
  const body = await frames.encode([a.hello()]);
  for (const id of ['0'.repeat(32), 'not hexadecimal']) {
    const response = await a.post(body, { 'X-Client-ID': id });
    assert.deepEqual([response.status, ((await response.json()) as Message)['code']], [400, 'malformed_message']);
  }
});

test('SV-09 another schema is told so, and nothing is decided', async () => {
  const a = device('schema');
  const body = await frames.encode([{ ...a.hello(), schemaHash: 'ff'.repeat(8) }, a.submit([household('h', 'x')])]);
  const answers = await frames.decode(new Uint8Array(await (await a.post(body)).arrayBuffer()));
  assert.equal(of('refused', answers)[0]?.['code'], 'schema_mismatch');
  assert.equal(items(await device('schema').sync()).length, 0);
});

test('SV-17 a ticket opens one socket, of its own device', async () => {
  const a = device('tickets');
  const ticket = await a.ticket();
  using first = await Socket.open(a, ticket);
  await assert.rejects(Socket.open(a, ticket), 'used');
  const b = device('tickets');
  await first.send(b.hello());
  assert.equal(of('refused', await first.receive())[0]?.['code'], 'foreign_device');
  assert.equal(await first.closing(), 4403);
  const elsewhere = new Device(server, frames, 'tickets-2');
  await elsewhere.sync();
  await assert.rejects(Socket.open(elsewhere, await a.ticket()), 'of another space');
});

test('SV-25 garbage on a socket is answered and closes only that socket', async () => {
  const [a, b] = [device('socket-garbage'), device('socket-garbage')];
  using good = await a.connect();
  const cases: [Uint8Array<ArrayBuffer> | string, number, string][] = [
    [Uint8Array.from([7, 1, 2]), 4426, 'unsupported_version'],
    [Uint8Array.from([1, 255, 255]), 4400, 'malformed_message'],
    ['text', 4426, 'unsupported_version'],
  ];
  for (const [bytes, code, refusal] of cases) {
    using bad = await Socket.open(b, await b.ticket());
    bad.socket.send(bytes);
    assert.equal(of('refused', await bad.receive())[0]?.['code'], refusal);
    assert.equal(await bad.closing(), code);
  }
  await good.send(a.submit([household('h', 'still here')]));
  assert.equal(of('receipt', await good.receive()).length, 1);
});

test('SV-26 an open socket ends with its token', async () => {
  const [a, b] = [device('expiry', 'writer', 3), device('expiry')];
  using open = await a.connect();
  await new Promise((resolve) => setTimeout(resolve, 3500));
  await b.sync(b.submit([household('h', 'secret')]));
  const said = await open.receive();
  assert.equal(of('refused', said)[0]?.['code'], 'forbidden');
  assert.equal(items(said).length, 0, 'nothing is pushed any more');
  assert.equal(await open.closing(), 4401);
});

test('SV-27 a ping is answered without waking the object', async () => {
  const a = device('ping');
  using socket = await a.connect();
  socket.socket.send('ping');
  assert.equal(new TextDecoder().decode(await socket.receiveBytes()), 'pong');
});

test('SV-10 a token of one space is worth nothing in another', async () => {
  const a = device('mine');
  await a.sync(a.submit([household('h', 'secret')]));
  const stranger = device('theirs');
  const response = await fetch(a.url('sync'), { method: 'POST', headers: stranger.headers, body: await frames.encode([stranger.hello()]) });
  assert.deepEqual([response.status, ((await response.json()) as Message)['code']], [403, 'forbidden_space']);
  const forged = { ...stranger.headers, Authorization: `Bearer ${token({ ...stranger.claims, spaces: { mine: 'writer' } }, 'guess')}` };
  assert.equal((await fetch(a.url('sync'), { method: 'POST', headers: forged })).status, 401);
});
