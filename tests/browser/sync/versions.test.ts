/**
 * Two versions of an app on one space, in real browsers against real workerd: one device ahead of the space, one behind it, one that slept through it.
 * What a migration does to waiting changes is for the conversations; here the app is opened anew, as people do, with the only copy of their work.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startSite, type Site } from '../harness/site.ts';
import { until } from '../harness/until.ts';

const ENTRIES = 'SELECT n.id, n.title, n.count, e.text FROM note AS n LEFT JOIN entry AS e ON e.note=n.id ORDER BY n.id, e.text';

let site: Site;

before(async () => { site = await startSite(); });
after(() => site[Symbol.asyncDispose]());

test('JS-150 an app that goes a version on keeps what waits, ahead of the space and behind it, and all devices end alike', async () => {
  const space = 'versions';
  await using ahead = await site.device({ user: 'ama', space });
  await using behind = await site.device({ user: 'ben', space });
  await using asleep = await site.device({ user: 'cid', space });
  await ahead.exec("INSERT INTO note (id, title, count) VALUES ('n', 'shared', 1)");
  await ahead.exec("INSERT INTO entry (id, note, text) VALUES ('e', 'n', 'first')");
  for (const device of [behind, asleep]) await until('the entry is everywhere', async () => (await device.rows('SELECT 1 FROM entry')).length === 1);
  asleep.proxy.goOffline();
  await asleep.exec("INSERT INTO note (id, title) VALUES ('slept', 'written before')");
  await asleep.exec("INSERT INTO entry (id, note, text) VALUES ('late', 'n', 'of the sleeper')");
  await asleep.exec("UPDATE note SET count = 0 WHERE id = 'n'");
  await asleep.close();

  await ahead.upgrade();
  assert.deepEqual(await ahead.rows('SELECT title, place FROM note'), [{ title: 'SHARED', place: 'unknown' }], 'its own migration ran, offline or not');
  await ahead.exec("INSERT INTO note (id, title, place) VALUES ('new', 'New', 'village')");
  await until('the device that is ahead waits', async () => (await ahead.status()).reason === 'waiting_for_server');
  await behind.exec("UPDATE note SET body = 'still old' WHERE id = 'n'");
  await behind.inStep();
  await until('it goes on to receive', async () => (await ahead.rows("SELECT 1 FROM note WHERE body='still old'")).length === 1);

  await site.deployUpgrade();
  for (const device of [ahead, behind]) device.proxy.retarget(site.worker.port);
  await ahead.inStep();
  await behind.exec("INSERT INTO entry (id, note, text) VALUES ('old', 'n', 'from the old app')");
  await until('the old app goes on to send', async () => (await ahead.rows("SELECT 1 FROM entry WHERE id='old'")).length === 1);
  await until('and to receive', async () => (await behind.rows("SELECT 1 FROM note WHERE id='new'")).length === 1);

  asleep.proxy.retarget(site.worker.port);
  asleep.proxy.goOnline();
  await asleep.upgrade();
  await behind.upgrade();
  for (const device of [asleep, behind, ahead]) await device.inStep();
  const rows = await ahead.rows(ENTRIES);
  assert.deepEqual(rows.map(({ id, text }) => [id, text]), [['n', 'first'], ['n', 'from the old app'], ['n', 'of the sleeper'], ['new', null], ['slept', null]]);
  assert.deepEqual(rows[0]!['count'], 0);
  const whole = 'SELECT id, title, body, count, place FROM note ORDER BY id';
  const notes = await ahead.rows(whole);
  assert.deepEqual(notes.map(({ place }) => place), ['unknown', 'village', 'unknown']);
  for (const device of [asleep, behind]) {
    await until('all hold the same', async () => JSON.stringify(await device.rows(whole)) === JSON.stringify(notes));
    assert.deepEqual(await device.rows(ENTRIES), rows);
    assert.equal((await device.status()).failed, 0);
  }
});
