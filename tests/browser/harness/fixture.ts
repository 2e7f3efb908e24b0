/**
 * A page with the package in it, for tests that need one browser and one server.
 * It knows when the page is ready; what a test does in it is the test's business.
 */
import { after, before } from 'node:test';
import type { Page } from 'playwright-core';
import { launch, type Browser } from './chromium.ts';
import { serve, type StaticServer } from './static-server.ts';

/** Filled before the file's first test. */
export interface Fixture {
  server: StaticServer;
  browser: Browser;
  page: Page;
}

/** One server, one browser and one page for all tests of a file. */
export function useFixture(extra?: Parameters<typeof serve>[0]): Fixture {
  const fixture = {} as Fixture;
  before(async () => {
    fixture.server = await serve(extra);
    fixture.browser = await launch();
    fixture.page = await openPage(fixture.browser, `${fixture.server.origin}/`);
  });
  after(async () => {
    await fixture.browser[Symbol.asyncDispose]();
    await fixture.server[Symbol.asyncDispose]();
  });
  return fixture;
}

/** Opens a page that has loaded the package as `ebbtide`. */
export async function openPage(browser: Browser, url: string): Promise<Page> {
  const page = await browser.page(url);
  await page.waitForFunction('globalThis.ready');
  return page;
}
