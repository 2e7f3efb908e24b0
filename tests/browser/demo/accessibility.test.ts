/**
 * Every page of the demo under axe, in a phone's and a desktop's width, light and dark.
 * A checker finds a part of what matters; focus and keyboard are in `demo.test.ts`.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';
import { startDemo, type RunningDemo } from '../harness/demo.ts';

const AXE = fileURLToPath(import.meta.resolve('axe-core/axe.min.js'));
const WIDTHS = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };

let demo: RunningDemo;

before(async () => {
  demo = await startDemo();
  await demo.browser.context.addInitScript({ content: await readFile(AXE, 'utf8') });
});
after(() => demo[Symbol.asyncDispose]());

for (const [name, viewport] of Object.entries(WIDTHS)) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`JS-66 axe finds nothing on any page (${name}, ${colorScheme})`, async () => {
      const page = await demo.browser.page('about:blank');
      await page.setViewportSize(viewport);
      // Colours are measured, so nothing may be in the middle of fading in.
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.goto(`${demo.proxy.origin}/?space=axe-${name}-${colorScheme}`);
      await visitPages(page, name === 'desktop');
      await page.close();
    });
  }
}

test('JS-67 the pages cause no error in the console and break no rule of their content security policy', () => {
  assert.deepEqual(demo.browser.problems, []);
});

async function visitPages(page: Page, isWide: boolean): Promise<void> {
  await page.getByRole('button', { name: 'Add four sample households' }).waitFor();
  await check(page, 'empty list');
  await page.getByRole('button', { name: 'Add four sample households' }).click();
  await page.locator('.row').nth(3).waitFor();
  await check(page, 'list');
  await page.locator('.row', { hasText: 'Phiri' }).click();
  await page.getByText('Record a visit').click();
  await page.getByText('Add a member').click();
  await check(page, 'household');
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await check(page, 'question');
  await page.keyboard.press('Escape');
  await page.getByRole('switch', { name: 'Work offline' }).check();
  await page.locator('.badge').click();
  await check(page, 'sync panel');
  await page.keyboard.press('Escape');
  await page.getByRole('link', { name: 'Edit' }).click();
  await page.getByRole('combobox').fill('chi');
  await page.getByRole('option').first().waitFor();
  await check(page, 'form');
  if (!isWide) return;
  await page.getByRole('button', { name: 'Second device' }).click();
  await page.frameLocator('#second').getByRole('heading', { name: 'Households' }).waitFor();
  await check(page, 'second device');
}

async function check(page: Page, what: string): Promise<void> {
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run());
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`);
  assert.deepEqual(found, [], what);
}
