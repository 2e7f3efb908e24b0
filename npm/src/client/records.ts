/**
 * `db.rejected`: the transactions that the space refused, for a person to look at.
 * The worker answers flat rows, one for each field; here they become the objects of the public types.
 */
import { decodeRows, encodeRows } from '../cells.ts';
import { EbbtideError } from '../errors.ts';
import type { Rejected, RejectedTransaction, RowEdit } from '../types.ts';
import { changesOf, type ChangeField } from './changes.ts';
import type { Connection } from './connection.ts';

/** One field of a refused change, or a key part of it. */
interface RejectedField extends ChangeField {
  readonly id: string;
  readonly reason: string;
  readonly detail: string;
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
    return { id, reason, detail, changes: changesOf(ofTransaction) };
  });
}
