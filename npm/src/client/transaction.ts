/**
 * Runs the callback of `Database.transaction` between BEGIN and COMMIT.
 * It knows when to commit and when to roll back; the waiting of all others is the worker's business.
 */
import { EbbtideError } from '../errors.ts';
import type { Transaction } from '../types.ts';
import type { Connection } from './connection.ts';
import { ConnectionStatements } from './statements.ts';

/** Commits when `body` resolves; rolls back and passes the error on when it throws. */
export async function runTransaction<T>(connection: Connection, body: (tx: Transaction) => Promise<T> | T): Promise<T> {
  if (typeof body !== 'function') {
    throw new EbbtideError('bad_parameter', 'transaction() takes a function that gets the transaction');
  }
  const transaction = await connection.call('begin', null);
  let result: T;
  try {
    result = await body(new ConnectionStatements(connection, transaction));
  } catch (thrown) {
    await rollBack(connection, transaction);
    throw thrown;
  }
  await connection.call('commit', { transaction });
  return result;
}

/** What made the callback fail matters to the caller; that the transaction is already gone (time-out, crash) does not. */
async function rollBack(connection: Connection, transaction: number): Promise<void> {
  try {
    await connection.call('rollback', { transaction });
  } catch (thrown) {
    const gone = ['transaction_timeout', 'transaction_closed', 'worker_crashed', 'page_suspended', 'database_closed'];
    if (!gone.includes(EbbtideError.from(thrown).code)) throw thrown;
  }
}
