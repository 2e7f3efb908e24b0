/**
 * Starts real Chromium on a fresh profile on disk: an incognito context has another OPFS, slower and never durable.
 * It knows nothing of Ebbtide. Every browser test starts here.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext, type Page } from 'playwright-core';

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** What every Chromium here is started with. */
export const ARGUMENTS = [
  '--no-sandbox',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
];

/** A browser on its own profile; disposing ends it and deletes the profile. */
export interface Browser extends AsyncDisposable {
  readonly context: BrowserContext;
  readonly profile: string;
  /** A new page; what it throws or logs as an error is kept in `problems`. */
  page(url: string): Promise<Page>;
  readonly problems: string[];
  /** Ends the browser; the profile stays, for `launch(profile)`. */
  stop(): Promise<void>;
}

/** Starts Chromium, on a former profile if one is given. */
export async function launch(profile?: string): Promise<Browser> {
  const folder = profile ?? (await mkdtemp(join(tmpdir(), 'ebbtide-profile-')));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: executable(),
    headless: true,
    args: ARGUMENTS,
    // Playwright switches the back/forward cache off; users have it.
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
  });
  const problems: string[] = [];
  const stop = () => context.close();
  return {
    context,
    profile: folder,
    problems,
    stop,
    async page(url) {
      const page = await context.newPage();
      page.on('pageerror', (error) => problems.push(String(error)));
      page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
      await page.goto(url);
      return page;
    },
    async [Symbol.asyncDispose]() {
      await stop();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Chromium's program: `EBBTIDE_CHROMIUM`, or where distributions install it. */
export function executable(): string {
  const path = process.env['EBBTIDE_CHROMIUM'] ?? CANDIDATES.find(existsSync);
  if (path === undefined) throw new Error('no Chromium found: `cargo xtask setup --browsers` installs it, or set EBBTIDE_CHROMIUM');
  return path;
}
