/**
 * A Chromium that a test can kill without warning, and start again on the same profile.
 * Playwright's own launcher hides the process, so it is started here and driven over its debugging port.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { chromium, type Page } from 'playwright-core';
import { ARGUMENTS, executable } from './chromium.ts';

const START_TIMEOUT_MS = 30_000;

/** A running browser. */
export interface Killable {
  readonly page: Page;
  /** Ends every process of it at once, as a power switch would for the browser alone. */
  kill(): Promise<void>;
}

/** Starts it on a profile and opens a page. */
export async function launchKillable(profile: string, url: string): Promise<Killable> {
  const portFile = join(profile, 'DevToolsActivePort');
  await rm(portFile, { force: true });
  const options = ['--headless=new', '--no-first-run', '--remote-debugging-port=0', `--user-data-dir=${profile}`];
  // In a process group of its own, so that all of it can be killed by the group's number.
  const child = spawn(executable(), [...ARGUMENTS, ...options, 'about:blank'], { detached: true, stdio: 'ignore' });
  const browser = await chromium.connectOverCDP(`http://127.0.0.1:${await portOf(child, portFile)}`);
  const page = await browser.contexts()[0]!.newPage();
  await page.goto(url);
  await page.waitForFunction('globalThis.ready');
  return { page, kill: () => kill(child) };
}

async function portOf(child: ChildProcess, file: string): Promise<string> {
  for (const deadline = Date.now() + START_TIMEOUT_MS; Date.now() < deadline; await delay(50)) {
    if (child.exitCode !== null) throw new Error(`Chromium ended with ${child.exitCode}`);
    const text = await readFile(file, 'utf8').catch(() => '');
    if (text.includes('\n')) return text.split('\n')[0]!;
  }
  throw new Error('Chromium did not open its debugging port');
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  process.kill(-child.pid!, 'SIGKILL');
  await ended;
}
