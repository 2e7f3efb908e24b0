/**
 * Headless Chromium on a profile that lies on disk, as a person's browser does.
 * An incognito context would keep OPFS elsewhere and be ten to forty times slower. The parts start what they need.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { STEP_TIMEOUT_MS } from './limits.mjs';
import { scratch } from './paths.mjs';

const FLAGS = [
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Nobody looks at the pages; a browser that thinks so too must not slow their timers.
  '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding',
  '--disable-backgrounding-occluded-windows',
];

/** Starts a browser with a fresh profile. `close` ends it and deletes the profile. */
export async function startChromium() {
  const profiles = join(scratch, 'profiles');
  mkdirSync(profiles, { recursive: true });
  const profile = mkdtempSync(join(profiles, 'chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.EBBTIDE_CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: process.getuid?.() === 0 ? [...FLAGS, '--no-sandbox'] : FLAGS,
  });
  context.setDefaultTimeout(STEP_TIMEOUT_MS);
  return { context, version: context.browser()?.version() ?? 'unknown', close: () => close(context, profile) };
}

/** Opens a page and passes on what goes wrong in it: a failed measurement must not look like a slow one. */
export async function openPage(context, url) {
  const page = await context.newPage();
  page.on('pageerror', (error) => console.error(`page: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') console.error(`page: ${message.text()}`);
  });
  await page.goto(url);
  return page;
}

async function close(context, profile) {
  await context.close();
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
}
