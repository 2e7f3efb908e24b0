/**
 * A live query as an async iterator: asks the worker for the next answer only when the reader wants one.
 * It survives the worker's restarts; which tables matter and whether rows changed is the worker's business.
 */
import { decodeRows, encodeParameters } from '../cells.ts';
import { EbbtideError } from '../errors.ts';
import type { Parameter, Row } from '../types.ts';
import type { Connection } from './connection.ts';
import { requireSql } from './statements.ts';

/** The rows now, and again whenever they change, until the reader stops, the signal aborts or the database closes. */
export async function* watchRows<R = Row>(
  connection: Connection,
  sql: string,
  parameters: readonly Parameter[] | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<R[], void, undefined> {
  requireSql(sql);
  const query = new LiveQuery(connection, sql, encodeParameters(parameters), signal);
  try {
    for (;;) {
      const bytes = await query.next();
      if (bytes === undefined) return;
      yield decodeRows<R>(bytes);
    }
  } finally {
    query.end();
  }
}

const RESTARTED = ['worker_crashed', 'page_suspended'];

class LiveQuery {
  readonly #connection: Connection;
  readonly #sql: string;
  readonly #parameters: Uint8Array<ArrayBuffer>;
  readonly #aborted: Promise<undefined> | undefined;
  readonly #signal: AbortSignal | undefined;
  #watch: number | undefined;
  #previous: Uint8Array | undefined;
  #onAbort: (() => void) | undefined;

  constructor(
    connection: Connection,
    sql: string,
    parameters: Uint8Array<ArrayBuffer>,
    signal: AbortSignal | undefined,
  ) {
    this.#connection = connection;
    this.#sql = sql;
    this.#parameters = parameters;
    this.#signal = signal;
    if (signal === undefined) return;
    this.#aborted = new Promise((resolve) => {
      this.#onAbort = () => resolve(undefined);
      if (signal.aborted) this.#onAbort();
      else signal.addEventListener('abort', this.#onAbort, { once: true });
    });
  }

  /** The next answer that differs from the last; undefined when it is over. */
  async next(): Promise<Uint8Array | undefined> {
    if (this.#signal?.aborted) return undefined;
    const answer = this.#changed();
    if (this.#aborted === undefined) return answer;
    // When the signal wins, the worker rejects the abandoned call as the query ends.
    answer.catch(() => undefined);
    return Promise.race([answer, this.#aborted]);
  }

  /** Tells the worker that nobody reads any more. */
  end(): void {
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener('abort', this.#onAbort);
    if (this.#watch === undefined) return;
    // A worker that is gone has forgotten the query by itself.
    this.#connection.call('unwatch', { watch: this.#watch }).catch(() => undefined);
  }

  async #changed(): Promise<Uint8Array | undefined> {
    for (;;) {
      const bytes = await this.#ask();
      if (bytes === undefined) return undefined;
      if (bytes === 'again' || isEqual(bytes, this.#previous)) continue;
      this.#previous = bytes;
      return bytes;
    }
  }

  async #ask(): Promise<Uint8Array | 'again' | undefined> {
    try {
      this.#watch ??= await this.#connection.call('watch', { sql: this.#sql, parameters: this.#parameters });
      return await this.#connection.call('watchNext', { watch: this.#watch });
    } catch (thrown) {
      const error = EbbtideError.from(thrown);
      if (error.code === 'database_closed') return undefined;
      if (!RESTARTED.includes(error.code)) throw error;
      this.#watch = undefined;
      return 'again';
    }
  }
}

/** A restarted worker answers anew; the reader is told only of what changed. */
function isEqual(bytes: Uint8Array, previous: Uint8Array | undefined): boolean {
  return bytes.length === previous?.length && bytes.every((byte, index) => byte === previous[index]);
}
