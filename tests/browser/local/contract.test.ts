/**
 * The local database's contract on OPFS in real Chromium: the cases that run natively too, each in a worker of its own.
 * Needs the wasm built with the feature `contract`, which `cargo xtask test` does.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { launch } from '../harness/chromium.ts';
import { serve } from '../harness/static-server.ts';

const BUILT = new URL('../../../.ebbtide/contract/client/', import.meta.url);

/** Runs one case and answers what happened; a trap leaves its reason in the console. */
const WORKER = `
  import init, { contractCases, runContractCase } from '/contract/ebbtide_client.js';
  await init({ module_or_path: '/contract/ebbtide_client_bg.wasm' });
  const said = [];
  const log = console.error;
  console.error = (...words) => { said.push(words.join(' ')); log(...words); };
  const name = location.hash.slice(1);
  try {
    if (name !== '') await runContractCase(name);
    postMessage(name === '' ? contractCases() : 'kept');
  } catch (error) {
    postMessage([String(error), JSON.stringify(error), ...said].join('\\n'));
  }`;

test('ST-09 the contract of the local database holds on OPFS', async (suite) => {
  await using server = await serve({
    '/contract/worker.js': { type: 'text/javascript', body: WORKER },
    '/contract/ebbtide_client.js': { type: 'text/javascript', body: await readFile(new URL('ebbtide_client.js', BUILT)) },
    '/contract/ebbtide_client_bg.wasm': { type: 'application/wasm', body: await readFile(new URL('ebbtide_client_bg.wasm', BUILT)) },
  });
  await using browser = await launch();
  const page = await browser.page(`${server.origin}/`);
  const run = (name: string) => page.evaluate((name) => new Promise<unknown>((resolve, reject) => {
    const worker = new Worker(`/contract/worker.js#${name}`, { type: 'module' });
    worker.onerror = (event) => reject(new Error(event.message));
    worker.onmessage = (event) => { worker.terminate(); resolve(event.data); };
  }), name);
  const names = (await run('')) as string[];
  assert.ok(names.length > 20, `only ${names.length} cases`);
  for (const name of names) await suite.test(`ST-09 ${name}`, async () => assert.equal(await run(name), 'kept'));
});
