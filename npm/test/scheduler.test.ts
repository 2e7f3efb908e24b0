/**
 * The order of calls around a transaction, without a database: what waits, what goes through, what times out.
 */
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { EbbtideError } from '../src/errors.ts';
import { CALLS_WAITING, TRANSACTION_IDLE_MS } from '../src/limits.ts';
import { Scheduler } from '../src/worker/scheduler.ts';

function recorded(): { scheduler: Scheduler; log: string[] } {
  const log: string[] = [];
  const scheduler = new Scheduler({ rollback: () => log.push('rollback'), idle: () => log.push('idle') });
  return { scheduler, log };
}

function coded(code: string): (error: unknown) => boolean {
  return (error) => error instanceof EbbtideError && error.code === code;
}

test('JS-05 calls outside a transaction wait until it ends, in their order', async () => {
  const { scheduler, log } = recorded();
  const id = await scheduler.begin(() => log.push('begin'));
  const waiting = ['a', 'b'].map((name) => scheduler.outside(() => log.push(name)));
  const second = scheduler.begin(() => log.push('begin again'));
  const last = scheduler.outside(() => log.push('c'));
  scheduler.inside(id, () => log.push('inside'));
  scheduler.end(id, () => log.push('commit'));
  await Promise.all(waiting);
  scheduler.end(await second, () => log.push('commit again'));
  await last;
  assert.deepEqual(log, ['begin', 'inside', 'commit', 'a', 'b', 'begin again', 'commit again', 'c', 'idle']);
});

test('JS-05 a call that fails while it waited fails alone', async () => {
  const { scheduler } = recorded();
  const id = await scheduler.begin(() => undefined);
  const failing = scheduler.outside(() => {
    throw new EbbtideError('sql_error', 'no');
  });
  const fine = scheduler.outside(() => 7);
  scheduler.end(id, () => undefined);
  await assert.rejects(failing, coded('sql_error'));
  assert.equal(await fine, 7);
});

test('JS-06 a transaction in which nothing happens is rolled back, and says so', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const { scheduler, log } = recorded();
  const id = await scheduler.begin(() => undefined);
  mock.timers.tick(TRANSACTION_IDLE_MS - 1);
  scheduler.inside(id, () => undefined);
  const nested = scheduler.outside(() => 'after');
  mock.timers.tick(TRANSACTION_IDLE_MS - 1);
  assert.equal(scheduler.busy, true);
  mock.timers.tick(1);
  assert.equal(await nested, 'after');
  assert.deepEqual(log, ['rollback', 'idle']);
  assert.throws(() => scheduler.inside(id, () => undefined), coded('transaction_timeout'));
  assert.throws(() => scheduler.end(id, () => undefined), coded('transaction_timeout'));
});

test('JS-05 a transaction that has ended takes no more calls', async () => {
  const { scheduler } = recorded();
  const id = await scheduler.begin(() => undefined);
  scheduler.end(id, () => undefined);
  assert.throws(() => scheduler.inside(id, () => undefined), coded('transaction_closed'));
});

test('JS-05 a commit that fails lets the next call through', async () => {
  const { scheduler } = recorded();
  const id = await scheduler.begin(() => undefined);
  const next = scheduler.outside(() => 1);
  assert.throws(() => scheduler.end(id, () => { throw new EbbtideError('constraint_foreign_key', 'no'); }), coded('constraint_foreign_key'));
  assert.equal(await next, 1);
});

test('JS-05 more waiting calls than the limit are refused', async () => {
  const { scheduler } = recorded();
  const id = await scheduler.begin(() => undefined);
  const waiting = Array.from({ length: CALLS_WAITING }, () => scheduler.outside(() => undefined));
  await assert.rejects(scheduler.outside(() => undefined), coded('too_many_calls'));
  scheduler.end(id, () => undefined);
  await Promise.all(waiting);
});
