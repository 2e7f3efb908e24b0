/**
 * A result's block of bytes as one object a row.
 * It knows nothing of statements. The façade calls it where the rows are wanted.
 */
import type { Cell } from '../cells.ts';
import { EbbtideError } from '../errors.ts';
import { BLOB, INTEGER, NULL, REAL, RESULT_HEADER_BYTES, SMALL, TEXT } from './table.ts';

/** Lists of column names that are kept; an app has about one for each of its queries. */
const KNOWN_NAMES = 256;

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Decodes a result into one object a row. Of columns with the same name the last one stays, as in any object. */
export function decodeRows<Row = Record<string, Cell>>(bytes: Uint8Array): Row[] {
  const reader = new Reader(bytes);
  const names = reader.names();
  const rows = new Array<Row>(reader.rows);
  const read = names.includes('__proto__') ? guardedRow : plainRow;
  for (let index = 0; index < rows.length; index++) rows[index] = read(reader, names) as Row;
  return rows;
}

function plainRow(reader: Reader, names: readonly string[]): Record<string, Cell> {
  const row: Record<string, Cell> = {};
  for (let column = 0; column < names.length; column++) row[names[column]!] = reader.cell();
  return row;
}

/** A column may be called `__proto__`; a plain assignment would set the object's prototype. */
function guardedRow(reader: Reader, names: readonly string[]): Record<string, Cell> {
  const row: Record<string, Cell> = {};
  for (const name of names) {
    Object.defineProperty(row, name, { value: reader.cell(), enumerable: true, writable: true, configurable: true });
  }
  return row;
}

class Reader {
  readonly rows: number;
  readonly #columns: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #text: string;
  #at = RESULT_HEADER_BYTES;
  #textAt = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#columns = this.#view.getUint32(0, true);
    this.rows = this.#view.getUint32(4, true);
    this.#text = decoder.decode(bytes.subarray(bytes.length - this.#view.getUint32(8, true)));
  }

  /** The column names; the array of a former result with the same ones, so that its strings need no comparing. */
  names(): readonly string[] {
    const start = this.#textAt;
    const lengths: number[] = [];
    for (let column = 0; column < this.#columns; column++) {
      const length = this.#length();
      lengths.push(length);
      this.#textAt += length;
    }
    return namesOf(this.#text.slice(start, this.#textAt), lengths);
  }

  cell(): Cell {
    switch (this.#bytes[this.#at++]) {
      case SMALL:
        return this.#view.getInt32(this.#skip(4), true);
      case TEXT:
        return this.#cutText();
      case REAL:
        return this.#view.getFloat64(this.#skip(8), true);
      case NULL:
        return null;
      case INTEGER:
        return integer(this.#view.getBigInt64(this.#skip(8), true));
      case BLOB:
        return this.#cutBytes();
      default:
        throw new EbbtideError('internal_error', 'a result came in bytes that the database worker does not make');
    }
  }

  #skip(count: number): number {
    const at = this.#at;
    this.#at += count;
    return at;
  }

  #length(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }

  #cutText(): string {
    const start = this.#textAt;
    this.#textAt += this.#length();
    return this.#text.slice(start, this.#textAt);
  }

  #cutBytes(): Uint8Array {
    const length = this.#length();
    const start = this.#skip(length);
    return this.#bytes.slice(start, start + length);
  }
}

/** Recent lists of column names, by their text; the same text may be cut in another way. */
const knownNames = new Map<string, { readonly lengths: readonly number[]; readonly names: readonly string[] }>();

function namesOf(text: string, lengths: readonly number[]): readonly string[] {
  const known = knownNames.get(text);
  if (known !== undefined && sameNumbers(known.lengths, lengths)) return known.names;
  let at = 0;
  const names = lengths.map((length) => text.slice(at, (at += length)));
  if (knownNames.size >= KNOWN_NAMES) knownNames.clear();
  knownNames.set(text, { lengths, names });
  return names;
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}

function integer(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
