/**
 * Statements, values, transactions and errors of a local database, in Chromium on OPFS.
 * The page is the package's only user here: nothing reaches into the worker.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { launch, type Browser } from '../harness/chromium.ts';
import { serve, type StaticServer } from '../harness/static-server.ts';
import type * as Ebbtide from '../../../npm/src/index.ts';

declare const ebbtide: typeof Ebbtide;

const SCHEMA = {
  migrations: [
    `CREATE TABLE visit (id TEXT PRIMARY KEY NOT NULL, doses INTEGER NOT NULL DEFAULT 0, notes TEXT) STRICT;
     CREATE TABLE thing (id INTEGER PRIMARY KEY, value ANY) STRICT;`,
  ],
  tables: { visit: {} },
};

let server: StaticServer;
let browser: Browser;
let page: Page;

before(async () => {
  server = await serve();
  browser = await launch();
  page = await browser.page(`${server.origin}/`);
  await page.waitForFunction('globalThis.ready');
});

after(async () => {
  await browser[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

test('JS-01 a row that was written is read back, also after closing and opening again', async () => {
  const rows = await page.evaluate(async (schema) => {
    const name = 'basics';
    const db = await ebbtide.open({ name, schema });
    const { changes } = await db.exec('INSERT INTO visit (id, doses, notes) VALUES (?, ?, ?)', ['a', 2, 'well']);
    const first = await db.query('SELECT * FROM visit');
    await db.close();
    const again = await ebbtide.open({ name, schema });
    const second = await again.query('SELECT * FROM visit');
    const one = await again.get('SELECT doses FROM visit WHERE id = ?', ['a']);
    const none = await again.get('SELECT doses FROM visit WHERE id = ?', ['b']);
    await again.close();
    return { changes, first, second, one, none };
  }, SCHEMA);
  const row = { id: 'a', doses: 2, notes: 'well' };
  assert.deepEqual(rows, { changes: 1, first: [row], second: [row], one: { doses: 2 }, none: undefined });
});
