/**
 * `db.log`: what this device knows of a row's history.
 * The worker answers flat rows, one for each field of a change; here they become the objects of the public types.
 */
import { decodeRows, encodeParameters, type Cell, type Parameter } from '../cells.ts';
import type { Log, LogEntry, RowAddress } from '../types.ts';
import type { Connection } from './connection.ts';

/** One field of a change of the row; a change without fields has one row without a column. */
export interface LogField {
  /** Position in the answer. */
  readonly entry: number;
  readonly transaction: string;
  /** Milliseconds of the device's clock. */
  readonly at: number;
  readonly state: LogEntry['state'];
  readonly reason: string;
  readonly kind: LogEntry['kind'];
  readonly column: string | null;
  /** 1 where the field was sent as an operation that the space merges, not as a value. */
  readonly is_merged: number;
  readonly value: Cell;
}

/** The log of a database. */
export class PageLog implements Log {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async list({ table, key }: RowAddress): Promise<LogEntry[]> {
    const values = Array.isArray(key) ? (key as readonly Parameter[]) : [key as Parameter];
    return groupLog(decodeRows<LogField>(await this.#connection.call('rowLog', { table, key: encodeParameters(values) })));
  }
}

/** Gathers the fields of each change; they come in order. */
export function groupLog(fields: readonly LogField[]): LogEntry[] {
  return [...Map.groupBy(fields, (field) => field.entry).values()].map((ofEntry) => {
    const { transaction, at, state, reason, kind } = ofEntry[0]!;
    const values: Record<string, Cell> = {};
    const merged: string[] = [];
    for (const { column, value, is_merged: isMerged } of ofEntry) {
      if (column === null) continue;
      if (isMerged === 1) merged.push(column);
      else values[column] = value;
    }
    return { transaction, at, state, kind, values, ...(merged.length === 0 ? {} : { merged }), ...(reason === '' ? {} : { reason }) };
  });
}
