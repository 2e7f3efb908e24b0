/**
 * The live queries of a page: which tables each reads, what it answered last, and who waits for the next answer.
 * It runs a query only when somebody waits and a table of it was touched, so a slow reader skips what it missed.
 * `session.ts` tells it what was committed.
 */
import { EbbtideError } from '../errors.ts';
import { WATCHES } from '../limits.ts';

interface Watch {
  readonly sql: string;
  readonly parameters: Uint8Array;
  readonly tables: ReadonlySet<string>;
  /** Whether a table was touched since the last run. */
  stale: boolean;
  previous?: Uint8Array;
  waiting?: { readonly resolve: (rows: Uint8Array) => void; readonly reject: (error: unknown) => void };
}

/** Live queries by number. */
export class Watches {
  readonly #run: (sql: string, parameters: Uint8Array) => Uint8Array;
  readonly #watches = new Map<number, Watch>();
  #next = 1;

  constructor(run: (sql: string, parameters: Uint8Array) => Uint8Array) {
    this.#run = run;
  }

  /** Registers a query that reads `tables`. */
  add(sql: string, parameters: Uint8Array, tables: readonly string[]): number {
    if (this.#watches.size >= WATCHES) {
      throw new EbbtideError('too_many_watches', `${WATCHES} live queries are open; end some with their signal`);
    }
    this.#watches.set(this.#next, { sql, parameters, tables: new Set(tables), stale: true });
    return this.#next++;
  }

  /** The next answer that differs from the last. While a transaction is open (`held`) it waits for the next `touch`. */
  next(id: number, held: boolean): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const watch = this.#watches.get(id);
      if (watch === undefined) return reject(new EbbtideError('database_closed', 'the live query has ended'));
      watch.waiting = { resolve, reject };
      if (!held) refresh(watch, this.#run);
    });
  }

  /** Ends a live query; whoever waits for it is told. */
  remove(id: number): null {
    const watch = this.#watches.get(id);
    this.#watches.delete(id);
    watch?.waiting?.reject(new EbbtideError('database_closed', 'the live query has ended'));
    return null;
  }

  /** Something was committed to these tables. */
  touch(tables: readonly string[]): void {
    for (const watch of this.#watches.values()) {
      if (tables.some((table) => watch.tables.has(table))) watch.stale = true;
      refresh(watch, this.#run);
    }
  }

  /** Ends all. */
  clear(): void {
    for (const id of [...this.#watches.keys()]) this.remove(id);
  }
}

function refresh(watch: Watch, run: (sql: string, parameters: Uint8Array) => Uint8Array): void {
  if (!watch.stale || watch.waiting === undefined) return;
  const { resolve, reject } = watch.waiting;
  watch.stale = false;
  try {
    const rows = run(watch.sql, watch.parameters);
    if (watch.previous !== undefined && equalBytes(rows, watch.previous)) return;
    // The answer's buffer moves to the page, so what is kept is a copy.
    watch.previous = rows.slice();
    delete watch.waiting;
    resolve(rows);
  } catch (thrown) {
    delete watch.waiting;
    reject(thrown);
  }
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}
