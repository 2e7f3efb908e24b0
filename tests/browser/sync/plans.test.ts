/**
 * Plans and consent in real browsers against real workerd: what the app is told, and what it decides.
 * Which messages are said is for the conversations; here the façade, the worker and the wasm carry them.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type * as Ebbtide from '../../../npm/src/index.ts';
import { startSite, type Site } from '../harness/site.ts';
import { until } from '../harness/until.ts';

let site: Site;

before(async () => {
  site = await startSite();
});

after(async () => {
  await site[Symbol.asyncDispose]();
});

test('JS-50 sync.plan() tells what a sync would do and changes nothing; run() does it, also while paused', async () => {
  await using one = await site.device({ user: 'ann', space: 'plans' });
  await using two = await site.device({ user: 'bob', space: 'plans' });
  await one.exec("INSERT INTO note (id, title) VALUES ('n', 'first')");
  await one.inStep();
  await until('the note is on the other device', async () => (await two.rows('SELECT id FROM note')).length === 1);
  await two.page.evaluate(() => db.sync.pause());
  await two.exec("UPDATE note SET title = 'of bob'");
  await two.exec("INSERT INTO note (id, title) VALUES ('m', 'new')");
  await one.exec("UPDATE note SET title = 'of ann'");
  await one.inStep();

  const plan = await two.page.evaluate(async () => {
    const { run, ...facts } = await db.sync.plan();
    Object.assign(globalThis, { run });
    return { ...facts, state: db.sync.status.state, pending: db.sync.status.pending };
  });
  assert.deepEqual(plan.sent.tables, [{ table: 'note', inserts: 1, updates: 1, deletes: 0 }]);
  assert.equal(plan.sent.transactions, 2);
  assert.deepEqual(plan.received.tables, [{ table: 'note', inserts: 0, updates: 1, deletes: 0 }]);
  assert.deepEqual([plan.received.commits, plan.received.more], [1, 0]);
  const [merge] = plan.merged;
  assert.deepEqual([merge?.table, merge?.key, merge?.column], ['note', ['n'], 'title']);
  assert.ok(['of ann', 'of bob'].includes(String(merge?.lost)));
  assert.deepEqual([plan.conflicts, plan.refused, plan.complete], [1, [], true]);
  assert.deepEqual([plan.state, plan.pending], ['paused', 2]);
  assert.deepEqual(await two.rows("SELECT title FROM note WHERE id = 'n'"), [{ title: 'of bob' }]);
  assert.deepEqual(await one.rows('SELECT id FROM note'), [{ id: 'n' }]);

  const report = await two.page.evaluate(() => (globalThis as unknown as { run(): Promise<Ebbtide.SyncReport> }).run());
  assert.deepEqual([report.sent, report.received, report.conflicts, report.errors], [2, 1, 1, 0]);
  const { state, pending } = await two.status();
  assert.deepEqual([state, pending], ['paused', 0]);
  await until('both show the same', async () => {
    const titles = await Promise.all([one, two].map((device) => device.rows('SELECT id, title FROM note ORDER BY id')));
    return JSON.stringify(titles[0]) === JSON.stringify(titles[1]) && titles[0]!.length === 2;
  });
});

test('JS-51 offline a plan is a typed error that may be tried again', async () => {
  await using one = await site.device({ user: 'ann', space: 'plans-offline' });
  await one.inStep();
  await one.browser.context.setOffline(true);
  await until('the device knows', async () => (await one.status()).state === 'offline');
  const error = await one.page.evaluate(() => db.sync.plan().catch(({ code, retryable }: Ebbtide.EbbtideError) => ({ code, retryable })));
  assert.deepEqual(error, { code: 'offline', retryable: true });
});

test('JS-52 with `confirm` nothing is committed before a yes, and a no stays visible until the app syncs again', async () => {
  await using one = await site.device({ user: 'ann', space: 'confirm' });
  await one.inStep();
  const told = await one.page.evaluate(async () => {
    const { open } = globalThis.ebbtide;
    const token = async () => {
      const response = await fetch('/ebbtide/dev/token?user=cid&spaces=confirm', { method: 'POST' });
      return ((await response.json()) as { token: string }).token;
    };
    let answer = false;
    const asked = new Set<number>();
    const confirm = async (plan: Ebbtide.SyncPlan) => {
      asked.add(plan.sent.transactions);
      return answer;
    };
    const careful = await open({ name: 'careful', schema: globalThis.schema, sync: { url: '/ebbtide', space: 'confirm', token, confirm } });
    await careful.exec("INSERT INTO note (id, title) VALUES ('c', 'confirmed')");
    const refused = await careful.sync.now().then(() => 'in step', ({ code, retryable }: Ebbtide.EbbtideError) => [code, retryable]);
    const { reason, pending } = careful.sync.status;
    answer = true;
    const report = await careful.sync.now();
    const after = careful.sync.status;
    await careful.close();
    return { asked: [...asked], refused, reason, pending, sent: report.sent, left: after.pending, reasonAfter: after.reason ?? null };
  });
  assert.deepEqual(told, {
    asked: [1], refused: ['not_confirmed', true], reason: 'not_confirmed', pending: 1, sent: 1, left: 0, reasonAfter: null,
  });
  await until('the other device has it', async () => (await one.rows("SELECT id FROM note WHERE id = 'c'")).length === 1);
});
