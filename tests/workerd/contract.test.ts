/**
 * The store's contract on Durable Object SQLite: the cases that run natively too, in real workerd.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
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
