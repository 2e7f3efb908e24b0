/**
 * A device of the tests: a browser on its own profile, a proxy before its network, and the test app's database open in a page.
 * It knows the test app's page, not what is tested. The site starts devices.
 */
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { launch, type Browser } from './chromium.ts';
import { LoopbackProxy } from './proxy.ts';
import { until } from './until.ts';

/** The database's name, the same in every profile. */
export const DATABASE = 'field';

const TOKENS = '**/ebbtide/dev/token*';

/** Who works with the device, in which space. */
export interface DeviceOptions {
  readonly user: string;
  readonly space: string;
  readonly twoPhase?: 'auto' | 'always';
  /** Which of the test app's schemas it opens. */
  readonly app?: 'plain' | 'upgraded' | 'merging' | 'values';
}

type Value = string | number | null;
type Row = Record<string, Value>;

/** One device. */
export class TestDevice implements AsyncDisposable {
  browser: Browser;
  readonly proxy: LoopbackProxy;
  #options: DeviceOptions;
  #page: Page | undefined;

  private constructor(browser: Browser, proxy: LoopbackProxy, options: DeviceOptions) {
    this.browser = browser;
    this.proxy = proxy;
    this.#options = options;
  }

  /** Starts it with its database open. */
  static async start(workerPort: number, options: DeviceOptions): Promise<TestDevice> {
    const device = new TestDevice(await launch(), await LoopbackProxy.start(workerPort), options);
    await device.open();
    return device;
  }

  /** Starts another one from a copy of this one's profile, as `copyProfile` made it. */
  static async startFrom(profile: string, workerPort: number, options: DeviceOptions): Promise<TestDevice> {
    const device = new TestDevice(await launch(profile), await LoopbackProxy.start(workerPort), options);
    await device.open();
    return device;
  }

  get page(): Page {
    assert.ok(this.#page, 'the page is closed');
    return this.#page;
  }

  /** Opens the page and the database, at first or after `close`. */
  async open(): Promise<void> {
    this.#page = await this.browser.page(this.proxy.origin);
    await this.#page.waitForFunction(() => globalThis.ready);
    await this.#page.evaluate((options) => globalThis.openDevice(options), { name: DATABASE, ...this.#options });
  }

  /** Opens the app again as the version after, as a person does who comes back after a deployment. */
  async upgrade(): Promise<void> {
    if (this.#page !== undefined) await this.close();
    this.#options = { ...this.#options, app: 'upgraded' };
    await this.open();
  }

  /** Ends the browser, copies its profile as a backup does, and starts it again. Answers the folder of the copy. */
  async copyProfile(): Promise<string> {
    await this.browser.stop();
    const copy = await mkdtemp(join(tmpdir(), 'ebbtide-profile-'));
    await cp(this.browser.profile, copy, { recursive: true, verbatimSymlinks: true });
    await this.#startAgain();
    return copy;
  }

  /** Ends the browser, puts a copy in the place of its profile, and starts it again. */
  async putBack(copy: string): Promise<void> {
    await this.browser.stop();
    await rm(this.browser.profile, { recursive: true, force: true, maxRetries: 5 });
    await cp(copy, this.browser.profile, { recursive: true, verbatimSymlinks: true });
    await this.#startAgain();
  }

  async #startAgain(): Promise<void> {
    this.browser = await launch(this.browser.profile);
    await this.open();
  }

  /** From now on the app gets no tokens, in pages opened later too: files load, and sync cannot begin. */
  async refuseTokens(): Promise<void> {
    await this.browser.context.route(TOKENS, (route) => route.abort());
  }

  async allowTokens(): Promise<void> {
    await this.browser.context.unroute(TOKENS);
  }

  /** Closes the tab without closing the database, as people do. */
  async close(): Promise<void> {
    await this.page.close();
    this.#page = undefined;
  }

  exec(sql: string, parameters: Value[] = []): Promise<void> {
    return this.page.evaluate(async ([text, values]) => { await globalThis.db.exec(text, values); }, [sql, parameters] as const);
  }

  rows(sql: string, parameters: Value[] = []): Promise<Row[]> {
    return this.page.evaluate(([text, values]) => globalThis.db.query<Row>(text, values), [sql, parameters] as const);
  }

  status(): Promise<{ state: string; pending: number; failed: number; cursor: number; reason?: string }> {
    return this.page.evaluate(() => globalThis.db.sync.status);
  }

  /** Waits until nothing is pending and the server has nothing more. */
  async inStep(): Promise<void> {
    await until(`${this.#options.user} is in step`, async () => {
      const { state, pending } = await this.status();
      return state === 'idle' && pending === 0;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser[Symbol.asyncDispose]();
    await this.proxy[Symbol.asyncDispose]();
  }
}
