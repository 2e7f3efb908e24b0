/**
 * Functions of an app in real workerd: what they are given, what becomes of their answers, and that none of them breaks the space.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ruled } from './app/schema.ts';
import { Device } from './harness/device.ts';
import { Frames, type Message } from './harness/frames.ts';
import { Server } from './harness/server.ts';

const entry = fileURLToPath(new URL('app/ruled.ts', import.meta.url));
/** Verdicts without a commit come again with each welcome, before the new one. */
const receipt = (answers: readonly Message[]) => answers.findLast(({ type }) => type === 'receipt')!;
const rejected = (answers: readonly Message[]) => receipt(answers)['rejected'] as { index: number; reason: string; detail: string }[];
const visit = (update: object, base = 1) => ({ table: 'visit', key: ['v'], update, base });

test('RU-04 custom and validate decide in the Worker, and whatever they do the space goes on', async () => {
  using frames = new Frames(ruled);
  await using server = await Server.start({ entry });
  const [a, b] = [new Device(server, frames, 'ruled'), new Device(server, frames, 'ruled')];
  await a.sync(a.submit([{ table: 'visit', key: ['v'], insert: { doses: 1, notes: 'abc' } }]));
  await b.sync();
  await a.sync(a.submit([visit({ doses: 3 })]));

  const merged = await b.sync(b.submit([visit({ doses: 4 })]));
  assert.deepEqual([rejected(merged), receipt(merged)['conflicts']], [[], 1]);
  assert.match(JSON.stringify(merged), /"doses":10\b/, 'mine, theirs and the length of the notes');

  const wrong: [number, RegExp][] = [
    [13, /^visit\.doses: no 13 for user of /], [14, /promise/], [15, /no SQL value/], [16, /another type/],
  ];
  for (const [doses, what] of wrong) {
    const [only, ...others] = rejected(await b.sync(b.submit([visit({ doses })])));
    assert.deepEqual([only?.reason, others], ['custom_rejected', []], String(doses));
    assert.match(only!.detail, what);
  }
  assert.deepEqual(rejected(await b.sync(b.submit([visit({ doses: 17 })]))), [], 'a bigint is a whole number');

  const [refused] = rejected(await b.sync(b.submit([visit({ notes: 'forbidden' })])));
  assert.deepEqual([refused?.reason, /^visit: user of .* may not turn abc into that$/.test(refused!.detail)], ['custom_rejected', true]);
  const [late] = rejected(await b.sync(b.submit([visit({ notes: 'slow' })])));
  assert.match(late!.detail, /promise/);
  assert.deepEqual(rejected(await b.sync(b.submit([visit({ notes: 'fine' })]))), []);
});
