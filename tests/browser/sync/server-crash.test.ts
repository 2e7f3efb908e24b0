/**
 * workerd killed in the middle of commits and started again: what was acknowledged to a device stays, nothing is there twice.
 * The ids are compared one by one, with a device that was not there.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestDevice } from '../harness/device.ts';
import { startSite, type Site } from '../harness/site.ts';
import { pause, until } from '../harness/until.ts';

const IDS = 'SELECT id FROM note ORDER BY id';
const KILLS = 4;

let site: Site;

before(async () => { site = await startSite(); });
after(() => site[Symbol.asyncDispose]());

for (const twoPhase of ['auto', 'always'] as const) {
  test(`JS-47 workerd killed mid-commit loses no row and doubles none (twoPhase: ${twoPhase})`, async () => {
    const space = `crash-${twoPhase}`;
    await using writer = await site.device({ user: 'ama', space, twoPhase });
    await writer.inStep();
    const written: string[] = [];
    for (let round = 0; round < KILLS; round++) {
      const writing = writeNotes(writer, written, 25);
      await pause(20 + Math.random() * 150);
      await site.worker.kill();
      await site.worker.restart();
      writer.proxy.retarget(site.worker.port);
      await writing;
    }
    await writer.page.evaluate(async () => { await globalThis.db.sync.now(); });
    await writer.inStep();
    await using newcomer = await site.device({ user: 'ben', space });
    const expected = written.toSorted();
    await until('the newcomer has as many rows', async () => (await newcomer.rows(IDS)).length >= expected.length);
    assert.deepEqual((await writer.rows(IDS)).map((row) => row['id']), expected);
    assert.deepEqual((await newcomer.rows(IDS)).map((row) => row['id']), expected);
  });
}

/** One transaction for each note; a note counts as written when its call has returned. */
async function writeNotes(device: TestDevice, written: string[], count: number): Promise<void> {
  for (let number = 0; number < count; number++) {
    const id = crypto.randomUUID();
    await device.exec('INSERT INTO note (id, count) VALUES (?, ?)', [id, number]);
    written.push(id);
    await pause(5);
  }
}
