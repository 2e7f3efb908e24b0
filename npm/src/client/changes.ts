/**
 * The changes of a refused transaction, out of the flat rows in which the worker answers: one row for each field.
 * It does not know who refused it, or whether it is only planned. `records.ts` and `plan.ts` group their rows with it.
 */
import type { Cell } from '../cells.ts';
import type { ChangeSummary } from '../types.ts';

/** One field of a change, or a part of its key. */
export interface ChangeField {
  /** Position of the change in its transaction. */
  readonly change: number;
  readonly table: string;
  readonly kind: ChangeSummary['kind'];
  readonly column: string;
  /** 1 for a part of the key. */
  readonly is_key: number;
  readonly value: Cell;
}

/** The changes of one transaction; their fields come in order. */
export function changesOf(fields: readonly ChangeField[]): ChangeSummary[] {
  return [...Map.groupBy(fields, (field) => field.change).values()].map(changeOf);
}

function changeOf(fields: readonly ChangeField[]): ChangeSummary {
  const { table, kind } = fields[0]!;
  const key = fields.filter((field) => field.is_key).map((field) => field.value);
  const values = fields.filter((field) => !field.is_key).map((field): [string, Cell] => [field.column, field.value]);
  return { table, kind, key, values: Object.fromEntries(values) };
}
