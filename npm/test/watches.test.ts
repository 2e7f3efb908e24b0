/**
 * Live queries without a database: when they run, when they answer, what a slow reader misses.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EbbtideError } from '../src/errors.ts';
import { Watches } from '../src/worker/watches.ts';

/** A query whose rows are one byte, and how often it ran. */
function counted(): { watches: Watches; state: { value: number; runs: number } } {
  const state = { value: 0, runs: 0 };
  const watches = new Watches(() => {
    state.runs += 1;
    if (state.value < 0) throw new EbbtideError('sql_error', 'gone');
    return Uint8Array.of(state.value);
  });
  return { watches, state };
}

/** Whether a promise is still open after what is already queued. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  return (await Promise.race([promise, new Promise((resolve) => setImmediate(resolve, pending))])) === pending;
}

const NONE = new Uint8Array();

test('JS-08 the first answer comes at once, the next when a table of it was touched and the rows differ', async () => {
  const { watches, state } = counted();
  const id = watches.add('q', NONE, ['visit']);
  assert.deepEqual(await watches.next(id, false), Uint8Array.of(0));
  const next = watches.next(id, false);
  watches.touch(['household']);
  assert.equal(state.runs, 1);
  watches.touch(['visit']);
  assert.equal(state.runs, 2);
  assert.ok(await isPending(next), 'the rows are the same');
  state.value = 1;
  watches.touch(['visit']);
  assert.deepEqual(await next, Uint8Array.of(1));
});

test('JS-08 a slow reader gets the latest rows only, and nothing runs while nobody reads', async () => {
  const { watches, state } = counted();
  const id = watches.add('q', NONE, ['visit']);
  await watches.next(id, false);
  for (state.value = 1; state.value < 10; state.value++) watches.touch(['visit']);
  assert.equal(state.runs, 1);
  assert.deepEqual(await watches.next(id, false), Uint8Array.of(10));
});

test('JS-08 while a transaction is open a live query waits, even for its first answer', async () => {
  const { watches } = counted();
  const id = watches.add('q', NONE, ['visit']);
  const first = watches.next(id, true);
  assert.ok(await isPending(first));
  watches.touch([]);
  assert.deepEqual(await first, Uint8Array.of(0));
});

test('JS-08 a query that fails later fails its reader, not the others', async () => {
  const { watches, state } = counted();
  const [bad, good] = [watches.add('q', NONE, ['visit']), watches.add('q', NONE, ['other'])];
  await watches.next(bad, false);
  await watches.next(good, false);
  const failing = watches.next(bad, false);
  const waiting = watches.next(good, false);
  state.value = -1;
  watches.touch(['visit']);
  await assert.rejects(failing, (error) => error instanceof EbbtideError && error.code === 'sql_error');
  assert.ok(await isPending(waiting));
  watches.clear();
  await assert.rejects(waiting, (error) => error instanceof EbbtideError && error.code === 'database_closed');
});
