/**
 * `exec`, `execMany`, `query` and `get` over a connection, inside a transaction or not.
 * It encodes parameters and decodes rows, so that both threads handle bytes only. `database.ts` and `transaction.ts` use it.
 */
import { decodeRows, encodeParameters, encodeRows } from '../cells.ts';
import { EbbtideError } from '../errors.ts';
import type { TransactionId } from '../rpc.ts';
import type { ExecResult, Parameter, Row, Statements } from '../types.ts';
import type { Connection } from './connection.ts';

/** Statements of one transaction, or each in its own. */
export class ConnectionStatements implements Statements {
  protected readonly connection: Connection;
  readonly #placed: { readonly transaction?: TransactionId };

  constructor(connection: Connection, transaction?: TransactionId) {
    this.connection = connection;
    this.#placed = transaction === undefined ? {} : { transaction };
  }

  async exec(sql: string, parameters?: readonly Parameter[]): Promise<ExecResult> {
    requireSql(sql);
    const bytes = encodeParameters(parameters);
    return { changes: await this.connection.call('exec', { sql, parameters: bytes, ...this.#placed }, bytes) };
  }

  async execMany(sql: string, rows: readonly (readonly Parameter[])[]): Promise<ExecResult> {
    requireSql(sql);
    const bytes = encodeRows(rows);
    return { changes: await this.connection.call('execMany', { sql, rows: bytes, ...this.#placed }, bytes) };
  }

  async query<R = Row>(sql: string, parameters?: readonly Parameter[]): Promise<R[]> {
    requireSql(sql);
    const bytes = encodeParameters(parameters);
    return decodeRows<R>(await this.connection.call('query', { sql, parameters: bytes, ...this.#placed }, bytes));
  }

  async get<R = Row>(sql: string, parameters?: readonly Parameter[]): Promise<R | undefined> {
    return (await this.query<R>(sql, parameters))[0];
  }
}

/** Refuses what is no statement before it travels. */
export function requireSql(sql: unknown): void {
  if (typeof sql === 'string') return;
  throw new EbbtideError('bad_parameter', `the statement must be a string of SQL, not ${sql === null ? 'null' : typeof sql}`);
}
