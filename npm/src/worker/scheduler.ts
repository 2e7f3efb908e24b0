/**
 * The order of calls: one at a time, and behind an open transaction all that do not belong to it.
 * It knows numbers of transactions and no SQL; beginning, committing and rolling back are handed to it as functions.
 * `session.ts` asks it before every call.
 */
import { EbbtideError } from '../errors.ts';
import { CALLS_WAITING, TRANSACTION_IDLE_MS } from '../limits.ts';
import type { TransactionId } from '../rpc.ts';

/** What the scheduler needs to end a transaction that was forgotten. */
export interface SchedulerHost {
  /** Rolls the open transaction back. */
  rollback(): void;
  /** The connection is free again: deferred work may run. */
  idle(): void;
}

/** Holds calls back while a transaction is open. */
export class Scheduler {
  readonly #host: SchedulerHost;
  readonly #waiting: (() => void)[] = [];
  #open: TransactionId | undefined;
  #next: TransactionId = 1;
  #timedOut: TransactionId | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(host: SchedulerHost) {
    this.#host = host;
  }

  /** Whether an app transaction is open. */
  get busy(): boolean {
    return this.#open !== undefined;
  }

  /** Runs `work` when no transaction is open. */
  outside<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const job = () => settle(work, resolve, reject);
      if (!this.busy) return job();
      if (this.#waiting.length < CALLS_WAITING) return void this.#waiting.push(job);
      reject(new EbbtideError('too_many_calls', `${CALLS_WAITING} calls wait for the database`, { retryable: true }));
    });
  }

  /** Runs `begin` when no transaction is open, and opens one. */
  begin(begin: () => void): Promise<TransactionId> {
    return this.outside(() => {
      begin();
      this.#open = this.#next++;
      this.#watchIdle();
      return this.#open;
    });
  }

  /** Runs `work` within the open transaction `id`. */
  inside<T>(id: TransactionId, work: () => T): T {
    this.#require(id);
    try {
      return work();
    } finally {
      this.#watchIdle();
    }
  }

  /** Runs `work`, which ends the transaction `id` whatever comes of it, and lets the next call through. */
  end<T>(id: TransactionId, work: () => T): T {
    this.#require(id);
    try {
      return work();
    } finally {
      this.#close();
    }
  }

  #require(id: TransactionId): void {
    if (this.#open === id) return;
    if (this.#timedOut === id) throw this.#timeout();
    throw new EbbtideError('transaction_closed', 'the transaction has ended; its `tx` cannot be used any more');
  }

  #watchIdle(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#expire(), TRANSACTION_IDLE_MS);
  }

  #expire(): void {
    this.#timedOut = this.#open;
    try {
      this.#host.rollback();
    } finally {
      this.#close();
    }
  }

  #timeout(): EbbtideError {
    const message =
      `nothing happened in the transaction for ${TRANSACTION_IDLE_MS} ms, so it was rolled back. ` +
      'Inside the callback use only `tx`: a call on the database itself waits for the transaction to end.';
    return new EbbtideError('transaction_timeout', message);
  }

  #close(): void {
    clearTimeout(this.#timer);
    this.#open = undefined;
    while (!this.busy) {
      const job = this.#waiting.shift();
      if (job === undefined) return this.#host.idle();
      job();
    }
  }
}

function settle<T>(work: () => T, resolve: (value: T) => void, reject: (error: unknown) => void): void {
  try {
    resolve(work());
  } catch (thrown) {
    reject(thrown);
  }
}
