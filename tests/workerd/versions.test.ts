/**
 * Schema versions of a space in real workerd: an upgrade that rebuilds a parent, and a migration that fails.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { schema, upgraded } from './app/schema.ts';
import { Device } from './harness/device.ts';
import { Frames, type Message } from './harness/frames.ts';
import { Server } from './harness/server.ts';

const app = (name: string) => fileURLToPath(new URL(`app/${name}.ts`, import.meta.url));
const items = (answers: readonly Message[]) =>
  answers.filter(({ type }) => type === 'range').flatMap((range) => range['items'] as Message[]);
const household = (id: string) => ({ table: 'household', key: [id], insert: { name: id, code: id } });
const visit = (id: string, household: string) => ({ table: 'visit', key: [id], insert: { household, doses: 1 } });

test('SV-38 a parent table is rebuilt and its children stay', async () => {
  using before = new Frames(schema);
  using after = new Frames(upgraded);
  await using server = await Server.start();
  const old = new Device(server, before, 'versions');
  await old.sync(old.submit([household('h'), visit('v', 'h')]));
  await server.restart({ entry: app('upgraded') });
  const greeted = await old.sync(old.submit([visit('o', 'h')]));
  assert.deepEqual(greeted.find(({ type }) => type === 'receipt')?.['rejected'], [], 'an older device goes on');
  const fresh = new Device(server, after, 'versions');
  assert.equal(items(await fresh.sync()).length, 2);
  const answers = await fresh.sync(fresh.submit([
    { table: 'visit', key: ['v'], update: { doses: 2 }, base: 1 },
    { table: 'household', key: ['h'], update: { village: 'Mbeya' }, base: 1 },
    visit('w', 'h'),
  ]));
  const receipt = answers.find(({ type }) => type === 'receipt');
  assert.deepEqual([receipt?.['rejected'], receipt?.['seq']], [[], 3], 'the child is still there, and keys are on again');
  const orphan = await fresh.sync(fresh.submit([visit('x', 'nobody')]));
  assert.equal((orphan.find(({ type }) => type === 'receipt')?.['rejected'] as Message[])[0]?.['reason'], 'foreign_key');
});

test('SV-39 a migration that fails changes nothing, says so, and the version before it goes on', async () => {
  using frames = new Frames(schema);
  await using server = await Server.start();
  const device = new Device(server, frames, 'versions');
  await device.sync(device.submit([household('h')]));
  await server.restart({ entry: app('broken') });
  const url = `${server.origin}/api/sync/v1/spaces/versions/sync`;
  const post = async (headers: Record<string, string>) => {
    const response = await fetch(url, { method: 'POST', headers, body: await frames.encode([device.hello()]) });
    const isJson = response.headers.get('content-type')?.includes('json');
    return [response.status, isJson ? ((await response.json()) as Message)['code'] : 'frames'];
  };
  assert.deepEqual(await post({}), [401, 'unauthorized'], 'what the app’s own function throws is no server error');
  assert.deepEqual(await post({ 'X-User': 'ada' }), [200, 'frames'], 'the version before serves');
  assert.deepEqual(await post({ 'X-User': 'ada' }), [200, 'frames'], 'again, and nothing hangs');
  await server.restart({});
  const answers = await device.sync(device.submit([household('i')]));
  assert.equal(answers.find(({ type }) => type === 'receipt')?.['seq'], 2);
});
