/**
 * The object that `open` returns: SQL, transactions and live queries over one connection.
 * It owns the worker's life with the page: put away with it, back with it, closed once. `open.ts` makes it.
 */
import type { Database, Parameter, Row, Transaction } from '../types.ts';
import { PageAudit, type AuditSource } from './audit.ts';
import { PageConflicts } from './conflicts.ts';
import { Connection } from './connection.ts';
import { PageLog } from './log.ts';
import { PageRejected } from './records.ts';
import { ConnectionStatements } from './statements.ts';
import type { PageSync } from './sync.ts';
import { runTransaction } from './transaction.ts';
import { watchRows } from './watch.ts';

/** A database in the worker of this page. */
export class WorkerDatabase extends ConnectionStatements implements Database {
  readonly name: string;
  readonly sync: PageSync;
  readonly rejected: PageRejected;
  readonly conflicts: PageConflicts;
  readonly log: PageLog;
  readonly audit: PageAudit;
  readonly #life = new AbortController();

  constructor(connection: Connection, name: string, sync: PageSync, source: AuditSource | undefined) {
    super(connection);
    this.name = name;
    this.sync = sync;
    this.rejected = new PageRejected(connection);
    this.conflicts = new PageConflicts(connection);
    this.log = new PageLog(connection);
    this.audit = new PageAudit(source);
    this.#followPage();
  }

  transaction<T>(body: (tx: Transaction) => Promise<T> | T): Promise<T> {
    return runTransaction(this.connection, body);
  }

  watch<R = Row>(
    sql: string,
    parameters?: readonly Parameter[],
    options: { readonly signal?: AbortSignal } = {},
  ): AsyncIterableIterator<R[]> {
    return watchRows<R>(this.connection, sql, parameters, options.signal);
  }

  async export(): Promise<Uint8Array<ArrayBuffer>> {
    return (await this.connection.call('export', null)) as Uint8Array<ArrayBuffer>;
  }

  async close(): Promise<void> {
    if (this.#life.signal.aborted) return;
    this.#life.abort();
    try {
      await this.connection.call('close', null);
    } finally {
      this.connection.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A page that is frozen or in the back/forward cache keeps its workers, and they would keep the files locked for every other tab. */
  #followPage(): void {
    const { signal } = this.#life;
    const suspend = () => this.connection.suspend();
    const resume = () => this.connection.resume();
    const network = () => this.connection.tell({ kind: 'online', online: navigator.onLine });
    addEventListener('pagehide', suspend, { signal });
    addEventListener('pageshow', resume, { signal });
    document.addEventListener('freeze', suspend, { signal });
    document.addEventListener('resume', resume, { signal });
    addEventListener('online', network, { signal });
    addEventListener('offline', network, { signal });
    // A page that comes back to the front need not wait for the next attempt.
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && network(), { signal });
  }
}
