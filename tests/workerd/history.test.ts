/**
 * The route of the change history: pages of what D1 has, for those whom the token lets into the space, and for nobody else.
 * How changes come into D1 is for `durability.test.ts`.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { schema } from './app/schema.ts';
import { Device } from './harness/device.ts';
import { Frames } from './harness/frames.ts';
import { Server } from './harness/server.ts';

let frames: Frames;
let server: Server;
before(async () => {
  frames = new Frames(schema);
  server = await Server.start();
});
after(async () => {
  frames[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

interface Entry { seq: number; kind: string; table: string; key: unknown[]; column?: string; value?: unknown; user: string; device: string }
interface Page { status: number; code?: string; entries: Entry[]; next?: string }

async function ask(device: Device, question: Record<string, string> = {}, space = device.space): Promise<Page> {
  const url = `${device.server.origin}/ebbtide/v1/spaces/${encodeURIComponent(space)}/history?${new URLSearchParams(question)}`;
  const response = await fetch(url, { headers: device.headers });
  return { status: response.status, ...((await response.json()) as Omit<Page, 'status'>) };
}

async function delivered(device: Device, rows: number): Promise<Page> {
  for (const deadline = Date.now() + 15_000; Date.now() < deadline; await wait(100)) {
    const page = await ask(device, { limit: '500' });
    if (page.entries.length >= rows) return page;
  }
  throw new Error('waited in vain for the history');
}

const household = (id: string, name: string) => ({ table: 'household', key: [id], insert: { name, code: null } });

test('SV-43 the history is told newest first, whole, by table and by row, and in pages', async () => {
  const a = new Device(server, frames, 'trail');
  assert.deepEqual(await ask(a), { status: 200, entries: [] }, 'nothing was ever delivered');
  await a.sync(a.submit([household('h', 'first'), household("i'", '')]));
  await a.sync(a.submit([{ table: 'household', key: ['h'], update: { name: 'second', code: 'c' }, base: 1 }]));
  await a.sync(a.submit([{ table: 'visit', key: ['v'], insert: { household: 'h', doses: 0, notes: null } }]));
  const all = await delivered(a, 5);
  assert.deepEqual(all.entries.map(({ seq, kind, table, key, column }) => [seq, kind, table, key[0], column]), [
    [3, 'insert', 'visit', 'v', undefined], [2, 'update', 'household', 'h', 'code'], [2, 'update', 'household', 'h', 'name'],
    [1, 'insert', 'household', "i'", undefined], [1, 'insert', 'household', 'h', undefined],
  ]);
  assert.deepEqual([all.entries[1]?.value, all.entries[3]?.value], ['c', { code: null, name: '' }]);
  assert.deepEqual([all.entries[0]?.device, all.next], [a.id, undefined]);
  const ofRow = await ask(a, { table: 'household', key: '["i\'"]' });
  assert.deepEqual(ofRow.entries.map(({ seq, key }) => [seq, key]), [[1, ["i'"]]]);
  assert.equal((await ask(a, { table: 'visit' })).entries.length, 1);
  const paged: Entry[] = [];
  for (let before: string | undefined = '9007199254740991.0'; before !== undefined;) {
    const page: Page = await ask(a, { limit: '2', before });
    assert.ok(page.entries.length <= 2);
    paged.push(...page.entries);
    before = page.next;
  }
  assert.deepEqual(paged, all.entries);
});

test('SV-44 the history of a space is told only to those whom the token lets in', async () => {
  const [a, b] = [new Device(server, frames, 'mine'), new Device(server, frames, 'theirs')];
  const reader = new Device(server, frames, 'mine', 'reader');
  await a.sync(a.submit([household('h', 'of mine')]));
  await b.sync(b.submit([household('h', 'of theirs')]));
  await Promise.all([delivered(a, 1), delivered(b, 1)]);
  assert.deepEqual((await ask(a)).entries.map(({ value }) => value), [{ code: null, name: 'of mine' }]);
  assert.equal((await ask(reader)).entries.length, 1);
  for (const space of ['theirs', 'nobody', "mine' OR '1'='1"]) {
    const { status, code } = await ask(a, {}, space);
    assert.deepEqual([status, code], [403, 'forbidden_space'], space);
  }
  const expired = new Device(server, frames, 'mine', 'writer', -1);
  const { status, code } = await ask(expired);
  assert.deepEqual([status, code], [401, 'token_expired']);
  const anonymous = await fetch(a.url('history'));
  assert.equal(anonymous.status, 401);
});

test('SV-43 a question that cannot be asked is refused, and a Worker without D1 says so', async () => {
  const a = new Device(server, frames, 'questions');
  const wrong = [{ limit: '0' }, { limit: '501' }, { before: 'x' }, { key: '["h"]' }, { table: 'household', key: 'h' }, { table: 'household', key: '[]' }];
  for (const question of wrong) {
    const { status, code } = await ask(a, question as Record<string, string>);
    assert.deepEqual([status, code], [400, 'malformed_message'], JSON.stringify(question));
  }
  assert.deepEqual((await ask(a, { table: "x'; DROP TABLE ebbtide_change" })).entries, []);
  await using without = await Server.start({ withoutD1: true });
  const { status, code } = await ask(new Device(without, frames, 'plain'));
  assert.deepEqual([status, code], [501, 'history_unavailable']);
});
