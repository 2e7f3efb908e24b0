/**
 * Parameters as one block of bytes: checked, and refused by their position where SQLite has no such value.
 * It knows nothing of statements. The façade calls it before anything travels.
 */
import { EbbtideError } from '../errors.ts';
import { BLOB, INTEGER, NULL, PARAMETERS_HEADER_BYTES, REAL, SMALL, TEXT } from './table.ts';

/** UTF-16 units become at most three bytes of UTF-8 each. */
const UTF8_PER_UNIT = 3;
/** Below this many units a loop over ASCII beats the call into the encoder. */
const SHORT_TEXT = 64;
/** A larger buffer is let go after the call that needed it. */
const KEPT_BYTES = 64 * 1024;

const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;

const encoder = new TextEncoder();

/** Encodes the parameters of one statement. */
export function encodeParameters(parameters: readonly unknown[] | undefined): Uint8Array<ArrayBuffer> {
  if (parameters === undefined) return writer.finish(writer.begin(1, 0));
  requireArray(parameters, 'the parameters');
  const width = parameters.length;
  let at = writer.begin(1, width);
  for (let column = 0; column < width; column++) at = writer.value(at, parameters[column], SINGLE, column);
  return writer.finish(at);
}

/** Encodes rows of parameters, which must all have the same length. */
export function encodeRows(rows: readonly (readonly unknown[])[]): Uint8Array<ArrayBuffer> {
  requireArray(rows, 'the rows');
  const width = rows.length === 0 ? 0 : (requireArray(rows[0], 'row 1'), rows[0]!.length);
  let at = writer.begin(rows.length, width);
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index]!;
    requireArray(row, `row ${index + 1}`, index);
    if (row.length !== width) {
      throw new EbbtideError('bad_parameter', `row ${index + 1} has ${row.length} values where row 1 has ${width}`);
    }
    for (let column = 0; column < width; column++) at = writer.value(at, row[column], index, column);
  }
  return writer.finish(at);
}

/** Stands for the row of a statement that has only one. */
const SINGLE = -1;

function requireArray(value: unknown, what: string, row?: number): void {
  if (Array.isArray(value)) return;
  const name = row === undefined ? what : `row ${row + 1}`;
  throw new EbbtideError('bad_parameter', `${name} must be an array of values for the ? in the statement`);
}

/** Writes cells into a buffer that is kept from call to call; what leaves it is a copy. */
class Writer {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(KEPT_BYTES);
  #view: DataView = new DataView(this.#bytes.buffer);

  /** Starts a block; answers where its first cell goes. */
  begin(rows: number, width: number): number {
    this.#view.setUint32(0, rows, true);
    this.#view.setUint32(4, width, true);
    return PARAMETERS_HEADER_BYTES;
  }

  /** The block up to `at`, in a buffer of its own. */
  finish(at: number): Uint8Array<ArrayBuffer> {
    const block = this.#bytes.slice(0, at);
    if (this.#bytes.length > KEPT_BYTES) this.#resize(KEPT_BYTES, 0);
    return block;
  }

  /** Writes a value; answers where the next one goes. */
  value(at: number, value: unknown, row: number, column: number): number {
    switch (typeof value) {
      case 'string':
        return this.#text(at, value);
      case 'number':
        return this.#number(at, value, row, column);
      case 'bigint':
        return this.#bigint(at, value, row, column);
      case 'boolean':
        return this.#small(at, value ? 1 : 0);
      default:
        return this.#object(at, value, row, column);
    }
  }

  #object(at: number, value: unknown, row: number, column: number): number {
    if (value === null) return this.#null(at);
    if (value instanceof Uint8Array) return this.#blob(at, value);
    if (value instanceof ArrayBuffer) return this.#blob(at, new Uint8Array(value));
    throw new EbbtideError('bad_parameter', `${placeOf(row, column)} is ${described(value)}`);
  }

  #null(at: number): number {
    this.#reserve(at, 1);
    this.#bytes[at] = NULL;
    return at + 1;
  }

  #small(at: number, value: number): number {
    this.#reserve(at, 5);
    this.#bytes[at] = SMALL;
    this.#view.setInt32(at + 1, value, true);
    return at + 5;
  }

  #number(at: number, value: number, row: number, column: number): number {
    if ((value | 0) === value && !Object.is(value, -0)) return this.#small(at, value);
    if (Number.isSafeInteger(value) && value !== 0) return this.#integer(at, BigInt(value));
    if (Number.isNaN(value)) {
      throw new EbbtideError('bad_parameter', `${placeOf(row, column)} is NaN, which SQLite cannot store`);
    }
    this.#reserve(at, 9);
    this.#bytes[at] = REAL;
    this.#view.setFloat64(at + 1, value, true);
    return at + 9;
  }

  #bigint(at: number, value: bigint, row: number, column: number): number {
    if (value < MIN_INT64 || value > MAX_INT64) {
      throw new EbbtideError('bad_parameter', `${placeOf(row, column)} is ${value}, which does not fit into 64 bits`);
    }
    return this.#integer(at, value);
  }

  #integer(at: number, value: bigint): number {
    this.#reserve(at, 9);
    this.#bytes[at] = INTEGER;
    this.#view.setBigInt64(at + 1, value, true);
    return at + 9;
  }

  #text(at: number, value: string): number {
    const start = at + 5;
    this.#reserve(at, 5 + value.length * UTF8_PER_UNIT);
    const length = this.#ascii(value, start) ? value.length : this.#encoded(value, start);
    this.#bytes[at] = TEXT;
    this.#view.setUint32(at + 1, length, true);
    return start + length;
  }

  /** Writes short ASCII; false for all else. */
  #ascii(value: string, start: number): boolean {
    if (value.length >= SHORT_TEXT) return false;
    const bytes = this.#bytes;
    for (let index = 0; index < value.length; index++) {
      const unit = value.charCodeAt(index);
      if (unit >= 0x80) return false;
      bytes[start + index] = unit;
    }
    return true;
  }

  #encoded(value: string, start: number): number {
    return encoder.encodeInto(value, this.#bytes.subarray(start)).written;
  }

  #blob(at: number, value: Uint8Array): number {
    this.#reserve(at, 5 + value.length);
    this.#bytes[at] = BLOB;
    this.#view.setUint32(at + 1, value.length, true);
    this.#bytes.set(value, at + 5);
    return at + 5 + value.length;
  }

  #reserve(at: number, count: number): void {
    const needed = at + count;
    if (needed > this.#bytes.length) this.#resize(Math.max(needed, this.#bytes.length * 2), at);
  }

  #resize(length: number, kept: number): void {
    const bytes = new Uint8Array(length);
    bytes.set(this.#bytes.subarray(0, kept));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

const writer = new Writer();

function placeOf(row: number, column: number): string {
  return row === SINGLE ? `parameter ${column + 1}` : `row ${row + 1}, parameter ${column + 1}`;
}

function described(value: unknown): string {
  if (value === undefined) return 'undefined; use null for NULL';
  if (value instanceof Date) return 'a Date; bind date.toISOString() or date.getTime()';
  if (typeof value === 'object') return 'an object; bind JSON.stringify(value), or a Uint8Array for a BLOB';
  return `a ${typeof value}, which is no SQL value`;
}
