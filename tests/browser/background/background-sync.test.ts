/**
 * Background sync through the whole stack: a device writes offline, its tab is closed, and a sync event sends the rows with no page open.
 * What the service worker does with odd answers is in `delivery.test.ts`.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { DATABASE, type TestDevice } from '../harness/device.ts';
import { startSite, type Site } from '../harness/site.ts';
import { SyncEvents } from '../harness/sync-events.ts';
import { pause, until } from '../harness/until.ts';

const TITLES = 'SELECT title FROM note ORDER BY title';

let site: Site;
let ama: TestDevice;
let ben: TestDevice;
let events: SyncEvents;

before(async () => {
  site = await startSite();
  ama = await site.device({ user: 'ama', space: 'background' });
  ben = await site.device({ user: 'ben', space: 'background' });
  await registerServiceWorker(ama);
  events = await SyncEvents.watch(ama.browser.context);
  await ama.inStep();
  await ben.inStep();
});

after(async () => {
  for (const part of [ama, ben, site]) await part?.[Symbol.asyncDispose]();
});

test('SW-10 rows written offline reach the server with no page open, and the database finds the receipt', async () => {
  ama.proxy.goOffline();
  await ama.exec('INSERT INTO note (title) VALUES (?)', ['in the background']);
  await mirrored(ama);
  await ama.close();
  await events.stopWorkers();
  ama.proxy.goOnline();
  await events.dispatch(ama.proxy.origin, `ebbtide:${DATABASE}`);
  await until('the row is on the other device', async () => (await ben.rows(TITLES)).some((row) => row['title'] === 'in the background'));
  await pause(300);
  // Without tokens it cannot sync, so nothing but the kept receipt can settle what was pending.
  await ama.refuseTokens();
  await ama.open();
  await until('the receipt is applied', async () => (await ama.status()).pending === 0);
  await ama.allowTokens();
  await ama.page.evaluate(async () => { await globalThis.db.sync.now(); });
  assert.deepEqual(await ama.rows(TITLES), await ben.rows(TITLES));
  assert.equal((await ben.rows(TITLES)).length, 1);
});

test('SW-11 a row that both the service worker and the page sent is there once', async () => {
  ama.proxy.goOffline();
  await ama.exec('INSERT INTO note (title) VALUES (?)', ['sent twice']);
  await mirrored(ama);
  await ama.close();
  const lost = ama.proxy.loseNextReply();
  ama.proxy.goOnline();
  await events.dispatch(ama.proxy.origin, `ebbtide:${DATABASE}`);
  await lost;
  ama.proxy.goOnline();
  await ama.open();
  await ama.inStep();
  await until('the row is on the other device', async () => (await ben.rows(TITLES)).length > 1);
  assert.deepEqual((await ben.rows(TITLES)).map((row) => row['title']), ['in the background', 'sent twice']);
});

// On a profile of its own: after a failed event the browser waits minutes before it tries the same tag again.
test('SW-12 the browser itself wakes the service worker when the network is back, with no page open', async () => {
  await using cara = await site.device({ user: 'cara', space: 'background' });
  await registerServiceWorker(cara);
  await cara.inStep();
  await cara.browser.context.setOffline(true);
  await cara.exec('INSERT INTO note (title) VALUES (?)', ['woken']);
  await mirrored(cara);
  await until('a sync event is asked for', () => cara.page.evaluate(async () => {
    const registration = (await navigator.serviceWorker.ready) as unknown as { sync: { getTags(): Promise<string[]> } };
    return (await registration.sync.getTags()).length > 0;
  }));
  await cara.close();
  await pause(500);
  assert.ok(!(await ben.rows(TITLES)).some((row) => row['title'] === 'woken'));
  await cara.browser.context.setOffline(false);
  await until('the row is on the other device', async () => (await ben.rows(TITLES)).some((row) => row['title'] === 'woken'));
});

test('SW-13 a pause takes the waiting request back, also without a token and right before the database is closed', async () => {
  ama.proxy.goOffline();
  await ama.exec('INSERT INTO note (title) VALUES (?)', ['paused']);
  await mirrored(ama);
  // The page comes back without a token.
  await ama.refuseTokens();
  await ama.close();
  ama.proxy.goOnline();
  await ama.open();
  await ama.page.evaluate(async () => {
    const paused = globalThis.db.sync.pause();
    await globalThis.db.close();
    await paused;
  });
  assert.equal(await waitingOn(ama.page), undefined);
  await ama.allowTokens();
  await ama.close();
  await events.dispatch(ama.proxy.origin, `ebbtide:${DATABASE}`);
  await pause(500);
  assert.ok(!(await ben.rows(TITLES)).some((row) => row['title'] === 'paused'));
  await ama.open();
  await ama.inStep();
});

test('SW-14 an app that turns elsewhere, or syncs no more, takes the waiting request back', async () => {
  for (const space of [undefined, 'another']) {
    await ama.allowTokens();
    await ama.page.evaluate(async () => { await globalThis.db.sync.now(); });
    ama.proxy.goOffline();
    await ama.exec('INSERT INTO note (title) VALUES (?)', [`before ${space ?? 'no space'}`]);
    await mirrored(ama);
    await ama.refuseTokens();
    await ama.close();
    ama.proxy.goOnline();
    const page = await ama.browser.page(ama.proxy.origin);
    await page.waitForFunction(() => globalThis.ready);
    await page.evaluate(async ([name, to]) => {
      const token = () => Promise.reject(new Error('signed out'));
      const sync = to === undefined ? {} : { sync: { url: '/ebbtide', space: to, token } };
      const db = await globalThis.ebbtide.open({ name, schema: globalThis.schema, ...sync });
      await db.close();
    }, [DATABASE, space] as const);
    assert.equal(await waitingOn(page), undefined);
    await page.close();
    await ama.open();
  }
  await ama.allowTokens();
  await ama.page.evaluate(async () => { await globalThis.db.sync.now(); });
  await ama.inStep();
});

test('SW-15 the request gets the token that takes the place of a refused one', async () => {
  ama.proxy.goOffline();
  await ama.exec('INSERT INTO note (title) VALUES (?)', ['signed in again']);
  await mirrored(ama);
  const before = await waitingOn(ama.page);
  let refusals = 0;
  await ama.browser.context.route('**/ticket*', (route) => (refusals++ === 0 ? route.fulfill({ status: 401, body: '' }) : route.abort()));
  ama.proxy.goOnline();
  await until('the request is made anew', async () => (await waitingOn(ama.page))?.updatedAt !== before?.updatedAt);
  assert.ok(refusals > 1, `${refusals} attempts`);
  assert.ok(await waitingOn(ama.page), 'it still waits');
  await ama.browser.context.unroute('**/ticket*');
  await ama.page.evaluate(async () => { await globalThis.db.sync.now(); });
  await ama.inStep();
});

async function registerServiceWorker(device: TestDevice): Promise<void> {
  await device.page.evaluate(async () => {
    await navigator.serviceWorker.register('/service-worker.js');
    await navigator.serviceWorker.ready;
  });
}

/** Waits until the request of the newest state lies ready for the service worker. */
async function mirrored({ page }: TestDevice): Promise<void> {
  await until('the request is mirrored', async () => (await waitingOn(page)) !== undefined);
}

/** What lies ready for the service worker. */
function waitingOn(page: Page): Promise<{ updatedAt: number } | undefined> {
  return page.evaluate(async (name) => {
    const database = await new Promise<IDBDatabase>((resolve) => {
      const request = indexedDB.open('ebbtide', 1);
      request.onsuccess = () => resolve(request.result);
    });
    const request = database.transaction('outbox').objectStore('outbox').get(name);
    await new Promise((resolve) => { request.onsuccess = resolve; });
    database.close();
    return request.result as { updatedAt: number } | undefined;
  }, DATABASE);
}
