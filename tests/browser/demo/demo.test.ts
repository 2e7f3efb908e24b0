/**
 * The demo as people use it: in two widths, with and without a network, beside a second device, by keyboard.
 * How it looks to assistive technology is in `accessibility.test.ts`.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { FrameLocator, Page } from 'playwright-core';
import { startDemo, type RunningDemo } from '../harness/demo.ts';
import { until } from '../harness/until.ts';

const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1280, height: 800 };

let demo: RunningDemo;

before(async () => { demo = await startDemo(); });
after(() => demo[Symbol.asyncDispose]());

test('JS-60 two devices side by side stay in step, each following the other by itself', async () => {
  await using page = await opened('side-by-side', DESKTOP);
  const second = await secondDevice(page);
  await addHousehold(page, 'Chirwa');
  await second.locator('.row', { hasText: 'Chirwa' }).click();
  await second.getByText('Record a visit').click();
  await second.getByLabel('Doses given', { exact: true }).first().fill('3');
  await second.getByRole('button', { name: 'Save visit' }).click();
  await page.locator('.visit', { hasText: 'Blessings' }).getByText('3 doses').waitFor();
  await page.locator('.visit').getByLabel('One dose more').click();
  await second.locator('.visit').getByText('4 doses').waitFor();
});

test('JS-61 the badge says offline, how much is pending, and in step, in words', async () => {
  await using page = await opened('badge', DESKTOP);
  const second = await secondDevice(page);
  await page.locator('.badge').getByText('In step').waitFor();
  await page.getByRole('switch', { name: 'Work offline' }).check();
  await page.locator('.badge').getByText('Offline', { exact: true }).waitFor();
  await addHousehold(page, 'Nkhoma');
  await page.locator('.badge').getByText('Offline, 1 pending').waitFor();
  assert.equal(await second.locator('.row').count(), 0);
  await page.getByRole('switch', { name: 'Work offline' }).uncheck();
  await second.locator('.row', { hasText: 'Nkhoma' }).waitFor();
  await page.locator('.badge').getByText('In step').waitFor();
});

test('JS-62 one visit changed on both devices while one is offline keeps both changes', async () => {
  await using page = await opened('both', DESKTOP);
  const second = await secondDevice(page);
  await page.getByRole('button', { name: 'Add four sample households' }).click();
  await page.locator('.row', { hasText: 'Mwale' }).click();
  await second.locator('.row', { hasText: 'Mwale' }).click();
  await second.locator('.visit').getByText('1 dose', { exact: true }).waitFor();
  await page.getByRole('switch', { name: 'Work offline' }).check();
  await page.locator('.visit').getByLabel('One dose more').click();
  await page.locator('.visit').getByText('2 doses').waitFor();
  const notes = second.locator('.visit textarea');
  await notes.fill('Fever is gone.');
  await notes.blur();
  await page.getByRole('switch', { name: 'Work offline' }).uncheck();
  await second.locator('.visit').getByText('2 doses').waitFor();
  await until('the notes are there', async () => (await page.locator('.visit textarea').inputValue()) === 'Fever is gone.');
  assert.equal(await notes.inputValue(), 'Fever is gone.');
});

test('SW-20 after the first visit the demo loads, shows its records and takes new ones without a network', async () => {
  await using page = await opened('offline', PHONE);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await addHousehold(page, 'Gondwe');
  await page.locator('.badge').getByText('In step').waitFor();
  demo.proxy.goOffline();
  try {
    await page.reload();
    await page.goto(address('offline'));
    await page.locator('.row', { hasText: 'Gondwe' }).waitFor();
    await addHousehold(page, 'Written offline');
    await page.getByLabel('Sync: ').getByText(/1/).waitFor();
  } finally {
    demo.proxy.goOnline();
  }
  await page.locator('.badge').getByText('In step').waitFor({ timeout: 90_000 });
});

test('JS-63 a household is added by keyboard alone, and the focus goes where the work goes on', async () => {
  await using page = await opened('keyboard', PHONE);
  const press = (key: string) => page.keyboard.press(key);
  await page.locator('h1').first().focus();
  await press('Tab');
  await press('Enter');
  await page.getByRole('heading', { name: 'New household' }).waitFor();
  for (const text of ['Kumwenda', 'Chilombo', 'By the well']) {
    await press('Tab');
    while (!(await page.evaluate(() => document.activeElement instanceof HTMLInputElement))) await press('Tab');
    await page.keyboard.type(text);
  }
  await press('Tab');
  await page.keyboard.type('Chiwoko');
  const options = () => page.getByRole('option').allInnerTexts();
  await until('the list follows the last letter', async () => {
    const shown = await options();
    return shown.length > 0 && shown.every((option) => option.includes('Chiwoko'));
  });
  await press('ArrowDown');
  await press('Enter');
  await press('Tab');
  await press('Enter');
  await page.getByRole('heading', { name: 'Kumwenda' }).waitFor();
  await until('the heading has the focus', () => page.evaluate(() => document.activeElement?.textContent === 'Kumwenda'));
  assert.match(await page.locator('.detail > .facts').innerText(), /Chiwoko/);
});

test('JS-68 on a phone the second device opens in a tab of its own, with the same records', async () => {
  await using page = await opened('phone-tab', PHONE);
  await addHousehold(page, 'Lungu');
  await page.locator('.badge').getByText('In step').waitFor();
  const opening = page.context().waitForEvent('page');
  await page.getByRole('button', { name: 'Second device' }).click();
  await using second = await opening;
  await second.locator('.row', { hasText: 'Lungu' }).waitFor();
  assert.match(await second.locator('#brand').innerText(), /Blessings/);
  assert.equal(await second.getByRole('button', { name: 'Second device' }).count(), 0);
});

test('JS-69 what is removed on one device is gone on the other, which says so where it was open', async () => {
  await using page = await opened('removal', DESKTOP);
  const second = await secondDevice(page);
  await page.getByRole('button', { name: 'Add four sample households' }).click();
  await page.locator('.row', { hasText: 'Phiri' }).click();
  await second.locator('.row', { hasText: 'Phiri' }).click();
  await second.getByRole('button', { name: 'Remove Grace Phiri' }).click();
  await second.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await page.locator('.person', { hasText: 'Grace' }).waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  await page.locator('.person', { hasText: 'Yankho' }).waitFor();
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await second.getByText('This household is not here any more.').waitFor();
  await second.getByRole('link', { name: 'All households' }).click();
  assert.equal(await second.locator('.row').count(), 3);
});

test('JS-91 a household that somebody removed comes back with the visit that another recorded meanwhile', async () => {
  await using page = await opened('kept', DESKTOP);
  const second = await secondDevice(page);
  await page.getByRole('button', { name: 'Add four sample households' }).click();
  await second.locator('.row', { hasText: 'Zulu' }).click();
  await second.getByRole('switch', { name: 'Work offline' }).check();
  await second.getByText('Record a visit').click();
  await second.getByLabel('Doses given', { exact: true }).first().fill('2');
  await second.getByRole('button', { name: 'Save visit' }).click();
  await second.locator('.badge').getByText('Offline, 1 pending').waitFor();
  await page.locator('.row', { hasText: 'Zulu' }).click();
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await page.locator('.row', { hasText: 'Zulu' }).waitFor({ state: 'detached' });
  await page.locator('.badge').getByText('In step').waitFor();
  await second.getByRole('switch', { name: 'Work offline' }).uncheck();
  await page.locator('.row', { hasText: 'Zulu' }).click();
  await page.locator('.visit').getByText('2 doses').waitFor();
  await page.locator('.person', { hasText: 'Mutinta' }).waitFor();
  await second.locator('.badge').getByText('In step').waitFor();
  assert.equal(await page.locator('.row').count(), 4);
});

test('JS-72 what the server refused is said in the badge, listed with its contents, and can be let go', async () => {
  await using page = await opened('refused', DESKTOP);
  const second = await secondDevice(page);
  await page.getByRole('button', { name: 'Add four sample households' }).click();
  await second.locator('.row', { hasText: 'Zulu' }).click();
  await second.getByText('Record a visit').click();
  const doses = second.getByLabel('Doses given', { exact: true }).first();
  // As a form of an older version would let it through.
  await doses.evaluate((input) => input.removeAttribute('max'));
  await doses.fill('200');
  await second.getByRole('button', { name: 'Save visit' }).click();
  await second.locator('.badge').getByText('1 refused').click();
  await second.locator('.refused').getByText('doses 200').waitFor();
  await second.getByText('A visit has 99 doses at most.').waitFor();
  await second.getByRole('button', { name: 'Discard' }).click();
  await second.locator('.badge').getByText('In step').waitFor();
  assert.equal(await second.locator('.refused li').count(), 0);
});

test('JS-64 the browser finds nothing that keeps the demo from being installed', async () => {
  await using page = await opened('install', PHONE);
  const session = await page.context().newCDPSession(page);
  const { errors } = await session.send('Page.getAppManifest');
  const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
  assert.deepEqual(errors, []);
  assert.deepEqual(installabilityErrors.map((error) => error.errorId).filter((id) => id !== 'in-incognito'), []);
});

test('JS-65 nothing is wider than the screen, on a phone and beside a second device', async () => {
  await using page = await opened('width', PHONE);
  await page.getByRole('button', { name: 'Add four sample households' }).click();
  await page.locator('.row', { hasText: 'Phiri' }).click();
  await page.getByText('Record a visit').click();
  for (const width of [320, 390, 640, 1280]) {
    await page.setViewportSize({ width, height: 800 });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `at ${width} px`);
  }
});

test('TB-20 a second tab of one device says so, and works once the first is closed', async () => {
  const first = await opened('tabs', DESKTOP);
  const second = await demo.browser.page(address('tabs'));
  await second.getByRole('heading', { name: 'Rounds is open in another tab' }).waitFor();
  await first.close();
  await second.getByRole('button', { name: 'Try again' }).click();
  await second.getByRole('heading', { name: 'Households' }).waitFor();
  await second.close();
});

/** Each test has a space of its own, hence databases of its own. */
function address(space: string): string {
  return `${demo.proxy.origin}/?space=${space}`;
}

async function opened(space: string, viewport: { width: number; height: number }): Promise<Page> {
  const page = await demo.browser.page(address(space));
  await page.setViewportSize(viewport);
  await page.getByRole('heading', { name: 'Households' }).waitFor();
  return page;
}

async function secondDevice(page: Page): Promise<FrameLocator> {
  await page.getByRole('button', { name: 'Second device' }).click();
  const second = page.frameLocator('#second');
  await second.getByRole('heading', { name: 'Households' }).waitFor();
  await second.locator('.badge').getByText('In step').waitFor();
  return second;
}

async function addHousehold(page: Page, name: string): Promise<void> {
  await page.goto(`${page.url().split('#')[0]}#/new`);
  await page.getByLabel('Family name').fill(name);
  await page.getByRole('button', { name: 'Add household' }).click();
  await page.getByRole('heading', { name }).waitFor();
}
