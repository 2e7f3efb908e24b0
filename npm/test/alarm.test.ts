/**
 * The alarm of a space's object, over a storage that keeps one time as the platform's does, for all lives of an object.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Alarm } from '../src/server/alarm.ts';
import { OUTBOX_DELAY_MS, PRUNE_EVERY_MS } from '../src/server/limits.ts';

class Storage {
  at: number | null = null;
  getAlarm(): Promise<number | null> {
    return Promise.resolve(this.at);
  }
  setAlarm(at: number): Promise<void> {
    this.at = at;
    return Promise.resolve();
  }
}

/** About so long from now. */
function isIn(at: number | null, delay: number): boolean {
  return at !== null && Math.abs(at - Date.now() - delay) < 60_000;
}

test('SV-235 what is done now and then is not put off by a new life of the object', async () => {
  const storage = new Storage();
  new Alarm(storage).arm(PRUNE_EVERY_MS);
  await turn();
  assert.ok(isIn(storage.at, PRUNE_EVERY_MS));
  storage.at = Date.now() + PRUNE_EVERY_MS / 2;
  for (let life = 0; life < 3; life++) {
    const alarm = new Alarm(storage);
    alarm.arm(PRUNE_EVERY_MS);
    await turn();
    alarm.arm(PRUNE_EVERY_MS * 0.75);
    await turn();
    assert.ok(isIn(storage.at, PRUNE_EVERY_MS / 2), `life ${life}`);
  }
});

test('SV-235 what is wanted sooner is set in the same turn, also while it is asked for an earlier one', async () => {
  const storage = new Storage();
  const alarm = new Alarm(storage);
  alarm.arm(PRUNE_EVERY_MS);
  alarm.arm(OUTBOX_DELAY_MS);
  assert.ok(isIn(storage.at, OUTBOX_DELAY_MS));
  await turn();
  assert.ok(isIn(storage.at, OUTBOX_DELAY_MS), 'the later one does not take its place');
});

test('SV-235 after it went off, or could not be set, it is set anew', async () => {
  const storage = new Storage();
  const alarm = new Alarm(storage);
  alarm.arm(OUTBOX_DELAY_MS);
  storage.at = null;
  alarm.gone();
  alarm.arm(PRUNE_EVERY_MS);
  await turn();
  assert.ok(isIn(storage.at, PRUNE_EVERY_MS));

  const failing = new Storage();
  const again = new Alarm(failing);
  failing.getAlarm = () => Promise.reject(new Error('the storage is away'));
  again.arm(PRUNE_EVERY_MS);
  await turn();
  assert.equal(failing.at, null);
  failing.getAlarm = Storage.prototype.getAlarm;
  again.arm(PRUNE_EVERY_MS);
  await turn();
  assert.ok(isIn(failing.at, PRUNE_EVERY_MS));
});
