/**
 * The service worker's own part, against a server that answers what the test wants: what it sends, keeps, notes and leaves alone.
 * No database is involved; the mailbox is filled by hand as the database worker would.
 */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Page } from 'playwright-core';
import { launch, type Browser } from '../harness/chromium.ts';
import { SyncEvents } from '../harness/sync-events.ts';
import { pause, until } from '../harness/until.ts';

interface Mailbox {
  outbox?: { updatedAt: number; problem?: { code: string; status: number } };
  inbox?: { body: number[]; receivedAt: number };
}
interface Received {
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

const received: Received[] = [];
let answer: (response: ServerResponse) => unknown;
let server: Server;
let origin: string;
let browser: Browser;
let events: SyncEvents;
let page: Page;

before(async () => {
  const script = await serviceWorkerScript();
  server = createServer((request, response) => { void serve(request, response, script); });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  browser = await launch();
  page = await browser.page(origin);
  await page.evaluate(async () => {
    await navigator.serviceWorker.register('/service-worker.js');
    await navigator.serviceWorker.ready;
  });
  events = await SyncEvents.watch(browser.context);
});

after(async () => {
  await browser[Symbol.asyncDispose]();
  server.closeAllConnections();
  server.close();
});

beforeEach(async () => {
  received.length = 0;
  answer = (response) => response.end(new Uint8Array([7, 8, 9]));
  await page.evaluate(() => new Promise((resolve) => { indexedDB.deleteDatabase('ebbtide').onsuccess = resolve; }));
});

test('SW-01 a waiting request is posted as it is, and its reply is kept for the database', async () => {
  await putOutgoing('one', { body: [1, 2, 3] });
  await events.dispatch(origin, 'ebbtide:one');
  const { outbox, inbox } = await until('the reply is stored', async () => withInbox(await mailbox('one')));
  assert.deepEqual(inbox?.body, [7, 8, 9]);
  assert.equal(outbox, undefined);
  assert.equal(received.length, 1);
  assert.deepEqual([...received[0]!.body], [1, 2, 3]);
  assert.equal(received[0]!.headers['authorization'], 'Bearer token');
  assert.equal(received[0]!.headers['x-client-id'], 'c1');
});

test('SW-02 a request that the database replaced while it was sent stays', async () => {
  await putOutgoing('two', { updatedAt: 1 });
  answer = async (response) => {
    await putOutgoing('two', { updatedAt: 2, body: [4] });
    response.end(new Uint8Array([1]));
  };
  await events.dispatch(origin, 'ebbtide:two');
  const { outbox } = await until('the reply is stored', async () => withInbox(await mailbox('two')));
  assert.equal(outbox?.updatedAt, 2);
});

test('SW-03 without an answer the request stays for the next event', async () => {
  await putOutgoing('three', {});
  answer = (response) => { response.socket?.destroy(); };
  await events.dispatch(origin, 'ebbtide:three');
  await until('it was tried', () => received.length > 0);
  await pause(200);
  assert.deepEqual(Object.keys(await mailbox('three')), ['outbox']);
  answer = (response) => response.writeHead(503).end();
  await events.dispatch(origin, 'ebbtide:three');
  await until('it was tried again', () => received.length > 1);
  await pause(200);
  assert.equal((await mailbox('three')).outbox?.problem, undefined);
  answer = (response) => response.end(new Uint8Array([5]));
  await events.dispatch(origin, 'ebbtide:three');
  await until('the reply is stored', async () => withInbox(await mailbox('three')));
});

test('SW-04 a refused token keeps the request and tells the page why', async () => {
  await putOutgoing('four', {});
  answer = (response) => response.writeHead(401).end('{"code":"token_expired"}');
  await events.dispatch(origin, 'ebbtide:four');
  const { outbox, inbox } = await until('the problem is noted', async () => withProblem(await mailbox('four')));
  assert.equal(outbox?.problem?.code, 'signed_out');
  assert.equal(outbox?.problem?.status, 401);
  assert.equal(inbox, undefined);
});

test('SW-05 a reply beyond the bound is not stored, and the request stays', async () => {
  await putOutgoing('five', {});
  answer = (response) => response.end(new Uint8Array(9 * 1024 * 1024));
  await events.dispatch(origin, 'ebbtide:five');
  const { outbox, inbox } = await until('the problem is noted', async () => withProblem(await mailbox('five')));
  assert.equal(outbox?.problem?.code, 'reply_too_large');
  assert.equal(inbox, undefined);
});

test('SW-06 the request of a database that a page has open is left to the page', async () => {
  await putOutgoing('six', {});
  await page.evaluate(() => new Promise<void>((held) => {
    void navigator.locks.request('ebbtide:six', () => { held(); return new Promise<void>((release) => { Object.assign(globalThis, { release }); }); });
  }));
  await events.dispatch(origin, 'ebbtide:six');
  await pause(800);
  assert.equal(received.length, 0);
  await page.evaluate(() => (globalThis as unknown as { release: () => void }).release());
  await until('the service worker sends it once the page is gone', async () => withInbox(await mailbox('six')));
});

test('SW-07 events of the app and of other databases send nothing', async () => {
  await putOutgoing('seven', {});
  await events.dispatch(origin, 'my-own-tag');
  await events.dispatch(origin, 'ebbtide:another');
  await pause(500);
  assert.equal(received.length, 0);
});

test('SW-08 a record of a foreign shape is left alone and harms nothing', async () => {
  await putRecord('eight', { url: 5, body: 'text' });
  await putOutgoing('eight-too', {});
  await events.dispatch(origin, 'ebbtide:eight');
  await events.dispatch(origin, 'ebbtide:eight-too');
  await until('the other one is delivered', async () => withInbox(await mailbox('eight-too')));
  assert.equal(received.length, 1);
});

test('SW-09 the page asks for a sync event of its database, which waits for the network', async () => {
  await page.evaluate(async () => { Object.assign(globalThis, { entry: await import('/page.js' as string) }); });
  await browser.context.setOffline(true);
  const tags = await page.evaluate(async () => {
    const { entry } = globalThis as unknown as { entry: typeof import('ebbtide/service-worker') };
    const registration = await navigator.serviceWorker.ready;
    const isAsked = await entry.registerBackgroundSync(registration, 'nine');
    return [isAsked, ...(await (registration as unknown as { sync: { getTags(): Promise<string[]> } }).sync.getTags())];
  });
  await browser.context.setOffline(false);
  assert.deepEqual(tags, [true, 'ebbtide:nine']);
});

function withInbox(state: Mailbox): Mailbox | undefined {
  return state.inbox ? state : undefined;
}

function withProblem(state: Mailbox): Mailbox | undefined {
  return state.outbox?.problem ? state : undefined;
}

async function putOutgoing(name: string, { body = [1], updatedAt = 1 }: { body?: number[]; updatedAt?: number }): Promise<void> {
  await putRecord(name, { url: `${origin}/target`, headers: { authorization: 'Bearer token', 'x-client-id': 'c1' }, body, updatedAt });
}

/** Writes the outbox as the database worker does: its own stores, created here when it comes first. */
async function putRecord(name: string, record: Record<string, unknown>): Promise<void> {
  await page.evaluate(async ([key, given]) => {
    const body = Array.isArray(given['body']) ? new Uint8Array(given['body'] as number[]) : given['body'];
    await new Promise<void>((resolve, reject) => {
      const request = indexedDB.open('ebbtide', 1);
      request.onupgradeneeded = () => { request.result.createObjectStore('outbox'); request.result.createObjectStore('inbox'); };
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        const transaction = request.result.transaction('outbox', 'readwrite', { durability: 'strict' });
        transaction.objectStore('outbox').put({ ...given, body }, key);
        transaction.oncomplete = () => { request.result.close(); resolve(); };
      };
    });
  }, [name, record] as const);
}

async function mailbox(name: string): Promise<Mailbox> {
  return page.evaluate(async (key) => {
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open('ebbtide', 1);
      request.onerror = () => reject(request.error);
      request.onsuccess = () => resolve(request.result);
    });
    const transaction = database.transaction(['outbox', 'inbox']);
    const [outbox, inbox] = ['outbox', 'inbox'].map((store) => transaction.objectStore(store).get(key));
    await new Promise((resolve) => { transaction.oncomplete = resolve; });
    database.close();
    const state: Mailbox = {};
    if (outbox!.result) state.outbox = outbox!.result as NonNullable<Mailbox['outbox']>;
    if (inbox!.result) state.inbox = { ...inbox!.result, body: [...inbox!.result.body] };
    return JSON.parse(JSON.stringify(state)) as Mailbox;
  }, name);
}

async function serve(request: IncomingMessage, response: ServerResponse, script: { worker: string; page: string }): Promise<void> {
  if (request.url === '/service-worker.js') return void response.setHeader('content-type', 'text/javascript').end(script.worker);
  if (request.url === '/page.js') return void response.setHeader('content-type', 'text/javascript').end(script.page);
  if (request.url !== '/target') return void response.setHeader('content-type', 'text/html').end('<!doctype html><title>Test</title>');
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  received.push({ headers: request.headers, body: Buffer.concat(chunks) });
  await answer(response);
}

async function serviceWorkerScript(): Promise<{ worker: string; page: string }> {
  const resolveDir = fileURLToPath(new URL('.', import.meta.url));
  const bundle = async (contents: string, format: 'iife' | 'esm') => {
    const result = await build({ stdin: { contents, resolveDir }, bundle: true, format, target: 'es2022', write: false });
    return result.outputFiles[0]!.text;
  };
  return {
    worker: await bundle("import { installBackgroundSync } from 'ebbtide/service-worker'; installBackgroundSync(self);", 'iife'),
    page: await bundle("export { registerBackgroundSync } from 'ebbtide/service-worker';", 'esm'),
  };
}
