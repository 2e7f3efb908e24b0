/**
 * `sync.plan()` and the `confirm` callback: a plan as objects, and the app's answer.
 * The worker answers numbers and flat rows, one for each field; what is planned is decided there.
 */
import { decodeRows, type Cell } from '../cells.ts';
import type { PlanFacts, ToWorker } from '../rpc.ts';
import type { PlannedMerge, PlannedRefusal, SyncPlan } from '../types.ts';
import { changesOf, type ChangeField } from './changes.ts';

/** The value of one merge, or a part of the key of its row. */
interface MergedField {
  readonly merge: number;
  readonly table: string;
  readonly column: string | null;
  readonly kept: PlannedMerge['kept'];
  readonly is_key: number;
  readonly value: Cell;
}

/** One field of a change that would be refused, or a part of its key. */
interface RefusedField extends ChangeField {
  readonly transaction: number;
  readonly reason: string;
  readonly detail: string;
}

/** The plan that the worker told. */
export function planOf(facts: PlanFacts): SyncPlan {
  const { sent, received, conflicts, review, unpredicted } = facts;
  const merged = groupMerged(decodeRows<MergedField>(facts.merged));
  const refused = groupRefused(decodeRows<RefusedField>(facts.refused));
  const complete = unpredicted === 0 && received.more === 0 && merged.length === conflicts;
  return { sent, received, merged, conflicts, review, refused, complete };
}

/** The answer to the worker's question. What the app's function throws is a no, and told to the console. */
export async function answerConfirm(
  facts: PlanFacts,
  confirm: (plan: SyncPlan) => boolean | Promise<boolean>,
): Promise<Extract<ToWorker, { kind: 'confirmed' }>> {
  const { upto } = facts;
  try {
    return { kind: 'confirmed', upto, accepted: (await confirm(planOf(facts))) === true };
  } catch (thrown) {
    console.error('ebbtide: sync.confirm failed, so nothing was committed', thrown);
    return { kind: 'confirmed', upto, accepted: false };
  }
}

function groupMerged(fields: readonly MergedField[]): PlannedMerge[] {
  return [...Map.groupBy(fields, (field) => field.merge).values()].map((merge) => {
    const { table, column, kept } = merge[0]!;
    const key = merge.filter((field) => field.is_key).map((field) => field.value);
    const lost = merge.find((field) => !field.is_key)?.value ?? null;
    return { table, key, kept, lost, ...(column === null ? {} : { column }) };
  });
}

function groupRefused(fields: readonly RefusedField[]): PlannedRefusal[] {
  return [...Map.groupBy(fields, (field) => field.transaction).values()].map((transaction) => {
    const { reason, detail } = transaction[0]!;
    return { reason, detail, changes: changesOf(transaction) };
  });
}
