/**
 * `db.rejected`: the transactions that the space refused, for a person to look at.
 * The worker answers flat rows, one for each field; here they become the objects of the public types.
 */
import { decodeRows, encodeRows, type Cell } from '../cells.ts';
import { EbbtideError } from '../errors.ts';
import type { ChangeSummary, Rejected, RejectedTransaction, RowEdit } from '../types.ts';
import type { Connection } from './connection.ts';

/** One field of a refused change, or a key part of it. */
interface RejectedField {
  readonly id: string;
  readonly reason: string;
  readonly detail: string;
  /** Position of the change in its transaction. */
  readonly change: number;
  readonly table: string;
  readonly kind: ChangeSummary['kind'];
  readonly column: string;
  /** 1 for a part of the key. */
  readonly is_key: number;
  readonly value: Cell;
}

/** The refused transactions of a database. */
export class PageRejected implements Rejected {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async list(): Promise<RejectedTransaction[]> {
    return groupRejected(decodeRows<RejectedField>(await this.#connection.call('rejected', null)));
  }

  async retry(id: string, edits: readonly RowEdit[] = []): Promise<void> {
    await this.#connection.call('retryRejected', { id, edits: encodeRows(edits.flatMap(partsOf)) });
  }

  async discard(id: string): Promise<void> {
    await this.#connection.call('discardRejected', { id });
  }
}

/** One row for each part of the key and each value. */
function partsOf(edit: RowEdit, at: number): unknown[][] {
  const isEdit = typeof edit?.table === 'string' && Array.isArray(edit.key) && edit.key.length > 0 && isRecord(edit.values);
  if (!isEdit) throw new EbbtideError('bad_parameter', `edit ${at + 1} must have a table, a key and values`);
  const { table, key, values } = edit;
  return [...key.map((part) => [at, table, null, part]), ...Object.entries(values).map(([column, value]) => [at, table, column, value])];
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Gathers the fields of each change and the changes of each transaction; they come in order. */
export function groupRejected(fields: readonly RejectedField[]): RejectedTransaction[] {
  const byTransaction = Map.groupBy(fields, (field) => field.id);
  return [...byTransaction.values()].map((ofTransaction) => {
    const { id, reason, detail } = ofTransaction[0]!;
    const byChange = Map.groupBy(ofTransaction, (field) => field.change);
    return { id, reason, detail, changes: [...byChange.values()].map(changeOf) };
  });
}

function changeOf(fields: readonly RejectedField[]): ChangeSummary {
  const { table, kind } = fields[0]!;
  const key = fields.filter((field) => field.is_key).map((field) => field.value);
  const values = fields.filter((field) => !field.is_key).map((field): [string, Cell] => [field.column, field.value]);
  return { table, kind, key, values: Object.fromEntries(values) };
}
