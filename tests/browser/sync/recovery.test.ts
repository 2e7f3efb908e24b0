/**
 * Copies that should not exist, in real browsers against real workerd: a profile put back from a backup, a profile that runs twice, a server put back to an
 * earlier point. Each is noticed, nobody's writes are lost, and all devices end with the same rows.
 */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import type { TestDevice } from '../harness/device.ts';
import { startSite, type Site } from '../harness/site.ts';
import { until } from '../harness/until.ts';

let site: Site;

before(async () => { site = await startSite(); });
after(() => site[Symbol.asyncDispose]());

const titles = async (device: TestDevice) => (await device.rows('SELECT title FROM note ORDER BY title')).map(({ title }) => String(title));
const write = (device: TestDevice, title: string) => device.exec('INSERT INTO note (title) VALUES (?)', [title]);

/** Which life of its database a device is in: copies end in lives of their own. */
const life = (device: TestDevice) => device.page.evaluate(async () => (await db.sync.inspect()).device);

async function allHold(expected: string[], ...devices: TestDevice[]): Promise<void> {
  for (const device of devices) {
    await until(`all hold ${expected.join(', ')}`, async () => JSON.stringify(await titles(device)) === JSON.stringify(expected.toSorted()), 30_000);
    await device.inStep();
    assert.equal((await device.status()).failed, 0);
  }
  const whole = await Promise.all(devices.map((device) => device.rows('SELECT * FROM note ORDER BY id')));
  for (const rows of whole) assert.deepEqual(rows, whole[0]);
}

test('JS-154 a profile that was put back from a backup begins a new life, with what it had not sent', async () => {
  const space = 'put-back';
  await using ann = await site.device({ user: 'ann', space });
  await using bob = await site.device({ user: 'bob', space });
  await write(ann, 'before');
  await ann.inStep();
  ann.proxy.goOffline();
  await write(ann, 'unsent');
  await ann.refuseTokens();
  ann.proxy.goOnline();
  const backup = await ann.copyProfile();
  await write(ann, 'after');
  await ann.inStep();
  await allHold(['before', 'unsent', 'after'], ann, bob);
  const before = await life(ann);
  await ann.putBack(backup);
  await write(ann, 'after the backup');
  await bob.exec("UPDATE note SET count = 0 WHERE title = 'before'");
  await allHold(['before', 'unsent', 'after', 'after the backup'], ann, bob);
  assert.notEqual(await life(ann), before);
  await rm(backup, { recursive: true, force: true });
});

test('JS-155 of two browsers on copies of one profile both go on, and nothing of either is lost or doubled', async () => {
  const space = 'twice';
  await using ann = await site.device({ user: 'ann', space });
  await write(ann, 'shared');
  await ann.inStep();
  const copy = await ann.copyProfile();
  await ann.inStep();
  await using twin = await site.copied(copy, { user: 'ann', space });
  for (const device of [ann, twin]) await device.page.evaluate(() => db.sync.pause());
  await write(ann, 'of the one');
  await write(twin, 'of the other');
  await write(twin, 'more of the other');
  for (const device of [ann, twin]) await device.page.evaluate(() => db.sync.resume());
  const all = ['shared', 'of the one', 'of the other', 'more of the other'];
  await allHold(all, ann, twin);
  await write(ann, 'later');
  await allHold([...all, 'later'], ann, twin);
  assert.notEqual(await life(ann), await life(twin));
});

test('JS-156 a server that was put back to an earlier point gets back what its devices still have', async () => {
  const space = 'earlier';
  await using ann = await site.device({ user: 'ann', space });
  await using bob = await site.device({ user: 'bob', space });
  await write(ann, 'first');
  await allHold(['first'], ann, bob);
  const backup = await site.worker.backUp();
  await restarted(ann, bob);
  await write(ann, 'forgotten by the server');
  await write(bob, 'of bob');
  await bob.exec("UPDATE note SET title = 'renamed' WHERE title = 'first'");
  await allHold(['renamed', 'forgotten by the server', 'of bob'], ann, bob);
  ann.proxy.goOffline();
  await write(ann, 'never sent');
  await site.worker.putBack(backup);
  await restarted(ann, bob);
  ann.proxy.goOnline();
  await allHold(['renamed', 'forgotten by the server', 'of bob', 'never sent'], ann, bob);
  await rm(backup, { recursive: true, force: true });
});

async function restarted(...devices: TestDevice[]): Promise<void> {
  await site.worker.restart();
  for (const device of devices) device.proxy.retarget(site.worker.port);
}
