/**
 * The table, the rows and the statements that every contender gets, and the names of what is timed.
 * It knows no database. `sync-loop.ts`, `async-loop.ts` and the workers use it.
 */

/** The only table: a text key as UUIDv7 makes them, and five columns. */
export const TABLE = `CREATE TABLE item (
  id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, note TEXT, visits INTEGER NOT NULL, score REAL, kind TEXT
) STRICT`;

export const INSERT = 'INSERT INTO item (id, name, note, visits, score, kind) VALUES (?, ?, ?, ?, ?, ?)';
export const UPDATE = 'UPDATE item SET note = ? WHERE id = ?';
export const SELECT = 'SELECT * FROM item WHERE id = ?';

/** The same for all: exclusive locking first, or SQLite refuses WAL where memory cannot be shared. */
export const PRAGMAS = `
  PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
  PRAGMA cache_size = -49152; PRAGMA journal_size_limit = 16777216`;

export type Value = string | number | null;
export type Row = [id: string, name: string, note: string | null, visits: number, score: number, kind: string];

/** How often each thing is done in a round. */
export interface Counts {
  readonly bulk: number;
  readonly largeBulk: number;
  readonly updates: number;
  readonly transactions: number;
  readonly selects: number;
}

/** Milliseconds for all repetitions of each measurement. */
export interface Timings {
  bulk: number;
  largeBulk: number;
  updates: number;
  insertTransactions: number;
  updateTransactions: number;
  selects: number;
}

/** Everything that a round will insert, made before the clock runs. */
export interface Rows {
  readonly bulk: Row[];
  readonly largeBulk: Row[];
  readonly single: Row[];
}

/** Makes the rows of a round; the same numbers make the same rows. */
export function makeRows(counts: Counts): Rows {
  const maker = new RowMaker();
  const make = (count: number): Row[] => Array.from({ length: count }, () => maker.next());
  return { bulk: make(counts.bulk), largeBulk: make(counts.largeBulk), single: make(counts.transactions) };
}

/** Keys spread over the whole table, in an order that no cache likes. */
export function someKeys(rows: readonly Row[], count: number): string[] {
  const stride = 7_919;
  return Array.from({ length: count }, (_, index) => rows[(index * stride) % rows.length]![0]);
}

/** About twenty-five rows of a bulk insert fall into a millisecond. */
const ROWS_PER_MILLISECOND = 25;

class RowMaker {
  readonly #random = new Random(7);
  #made = 0;

  next(): Row {
    const number = this.#random.next();
    const note = number % 10 === 0 ? null : `visited on day ${number % 366}, nobody at home`;
    return [this.#uuid(), `Household ${number % 100_000}`, note, number % 12, (number % 1_000) / 8, ['a', 'b', 'c'][number % 3]!];
  }

  #uuid(): string {
    const time = (1_795_219_200_000 + Math.floor(this.#made++ / ROWS_PER_MILLISECOND)).toString(16).padStart(12, '0');
    const [a, b, c, d] = Array.from({ length: 4 }, () => this.#random.next().toString(16).padStart(8, '0'));
    return `${time.slice(0, 8)}-${time.slice(8)}-7${a!.slice(0, 3)}-8${b!.slice(0, 3)}-${c}${d!.slice(0, 4)}`;
  }
}

/** A generator of test data (mulberry32): 32 bits at a time. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
}
