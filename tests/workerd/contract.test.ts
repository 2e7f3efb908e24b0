/**
 * The store's contract on Durable Object SQLite: the cases that run natively too, in real workerd.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { schema } from './app/schema.ts';
import { Frames } from './harness/frames.ts';
import { Server } from './harness/server.ts';

let server: Server;
before(async () => {
  const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
  server = await Server.start({
    entry: path('app/contract.ts'), wasm: path('../../.ebbtide/contract/worker/ebbtide_worker_bg.wasm'), withoutD1: true,
  });
});
after(() => server[Symbol.asyncDispose]());

test('ST-44 the store contract holds in a Durable Object', async (suite) => {
  const names = (await (await fetch(server.origin)).json()) as string[];
  assert.ok(names.length > 25);
  for (const name of names) {
    await suite.test(name, async () => {
      const response = await fetch(`${server.origin}/${name}`);
      assert.equal(await response.text(), 'kept');
    });
  }
});

test('SV-36 a synced one-field update writes two rows and little more', async (context) => {
  using frames = new Frames(schema);
  const hello = (next: number, cursor = 0) => ({ type: 'hello', device: '01'.repeat(16), next, cursor });
  const write = async (deviceSeq: number, change: (at: number) => object): Promise<number> => {
    const changes = Array.from({ length: 100 }, (_, at) => change(at));
    const submit = { type: 'submit', deviceSeq, transactions: [{ stamp: 65536 * deviceSeq, changes }] };
    const response = await fetch(`${server.origin}/counted`, { method: 'POST', body: await frames.encode([hello(deviceSeq), submit]) });
    assert.equal(response.status, 200, await response.clone().text());
    return ((await response.json()) as { rowsWritten: number }).rowsWritten / 100;
  };
  const visit = (at: number) => ({ table: 'visit', key: [`visit ${at}`] });
  const inserted = await write(1, (at) => ({ ...visit(at), insert: { household: null, doses: 1, notes: 'x' } }));
  const updated = await write(2, (at) => ({ ...visit(at), update: { notes: `note ${at}` }, base: 1 }));
  context.diagnostic(`rows written per change, in batches of 100: insert ${inserted}, one-field update ${updated}`);
  assert.ok(updated <= 2.1, `${updated} rows for each update`);
  assert.ok(inserted <= 5, `${inserted} rows for each insert`);
});

test('SV-37 a panic is an exception, and the instance goes on', async () => {
  const response = await fetch(`${server.origin}/no-such-case`);
  assert.equal(response.status, 500);
  assert.match(await response.text(), /no case is called no-such-case/);
  const [name] = (await (await fetch(server.origin)).json()) as string[];
  assert.equal(await (await fetch(`${server.origin}/${name}`)).text(), 'kept');
});
