/**
 * A new version of the demo is deployed while people use the old one.
 * The files are a copy of the build, so that the test can change them.
 */
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { demoFiles, startDemo } from '../harness/demo.ts';
import { until } from '../harness/until.ts';

test('SW-21 a new version is kept back until the user takes it, and then all of it is new', async () => {
  const files = await mkdtemp(join(tmpdir(), 'ebbtide-demo-'));
  await cp(demoFiles(), files, { recursive: true });
  {
    await using demo = await startDemo(files);
    const page = await demo.browser.page(`${demo.proxy.origin}/?space=versions`);
    await page.getByRole('heading', { name: 'Households' }).waitFor();
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    await deployNext(files);
    await demo.worker.restart();
    demo.proxy.goOffline();
    demo.proxy.retarget(demo.worker.port);
    demo.proxy.goOnline();
    await page.reload();
    await page.getByText('A new version of Rounds is ready.').waitFor();
    assert.doesNotMatch(await page.evaluate(async () => (await fetch('/app.css')).text()), /of-the-next-version/);
    await page.getByRole('button', { name: 'Reload' }).click();
    await page.waitForFunction(async () => (await (await fetch('/app.css')).text()).includes('of-the-next-version'));
    await page.getByRole('heading', { name: 'Households' }).waitFor();
    await until('the old files are gone', () => page.evaluate(async () => (await caches.keys()).length === 1));
  }
  await rm(files, { recursive: true, force: true });
});

/** What the next build would differ in: a file, and with it the service worker's version. */
async function deployNext(files: string): Promise<void> {
  await writeFile(join(files, 'app.css'), '\n/* of-the-next-version */', { flag: 'a' });
  const script = await readFile(join(files, 'service-worker.js'), 'utf8');
  const next = script.replace(/version:"[0-9a-f]+"/, 'version:"000000000000"');
  assert.notEqual(next, script);
  await writeFile(join(files, 'service-worker.js'), next);
}
