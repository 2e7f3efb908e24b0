/**
 * Values between JavaScript and SQLite as one block of bytes a call.
 * It knows the five kinds of values and nothing of statements; the other end is `wasm-client/src/cells.rs`.
 * The façade encodes parameters and decodes rows with it, in whatever thread it runs.
 */
import { EbbtideError } from './errors.ts';

/** What can be bound to a parameter. Booleans become 0 and 1. */
export type Parameter = null | number | bigint | string | boolean | Uint8Array | ArrayBuffer;

/** What comes back: INTEGER is a number, or a bigint outside ±2^53. */
export type Cell = null | number | bigint | string | Uint8Array;

const NULL = 0;
const INTEGER = 1;
const REAL = 2;
const TEXT = 3;
const BLOB = 4;
const SMALL = 5;

const HEADER_BYTES = 8;
const RESULT_HEADER_BYTES = 12;
/** UTF-16 units become at most three bytes of UTF-8 each. */
const UTF8_PER_UNIT = 3;
/** Below this many units a loop over ASCII beats the call into the encoder. */
const SHORT_TEXT = 24;

const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Encodes the parameters of one statement. */
export function encodeParameters(parameters: readonly unknown[] | undefined): Uint8Array<ArrayBuffer> {
  if (parameters !== undefined) requireArray(parameters, 'the parameters');
  const writer = new Writer(1, parameters?.length ?? 0);
  parameters?.forEach((value, index) => writer.value(value, () => `parameter ${index + 1}`));
  return writer.finish();
}

/** Encodes rows of parameters, which must all have the same length. */
export function encodeRows(rows: readonly (readonly unknown[])[]): Uint8Array<ArrayBuffer> {
  requireArray(rows, 'the rows');
  const width = rows.length === 0 ? 0 : (requireArray(rows[0], 'row 1'), rows[0]!.length);
  const writer = new Writer(rows.length, width);
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index]!;
    requireArray(row, `row ${index + 1}`);
    if (row.length !== width) {
      throw new EbbtideError('bad_parameter', `row ${index + 1} has ${row.length} values where row 1 has ${width}`);
    }
    for (let column = 0; column < width; column++) {
      writer.value(row[column], () => `row ${index + 1}, parameter ${column + 1}`);
    }
  }
  return writer.finish();
}

function requireArray(value: unknown, what: string): void {
  if (Array.isArray(value)) return;
  throw new EbbtideError('bad_parameter', `${what} must be an array of values for the ? in the statement`);
}

class Writer {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #at = HEADER_BYTES;

  constructor(rows: number, width: number) {
    this.#bytes = new Uint8Array(HEADER_BYTES + Math.max(64, rows * width * 16));
    this.#view = new DataView(this.#bytes.buffer);
    this.#view.setUint32(0, rows, true);
    this.#view.setUint32(4, width, true);
  }

  /** The bytes so far, in a buffer of their own. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#at);
  }

  value(value: unknown, where: () => string): void {
    switch (typeof value) {
      case 'string':
        return this.#text(value);
      case 'number':
        return this.#number(value, where);
      case 'bigint':
        return this.#bigint(value, where);
      case 'boolean':
        return this.#small(value ? 1 : 0);
      default:
        return this.#object(value, where);
    }
  }

  #object(value: unknown, where: () => string): void {
    if (value === null) return this.#null();
    if (value instanceof Uint8Array) return this.#blob(value);
    if (value instanceof ArrayBuffer) return this.#blob(new Uint8Array(value));
    throw new EbbtideError('bad_parameter', `${where()} is ${described(value)}`);
  }

  #null(): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = NULL;
  }

  #small(value: number): void {
    this.#reserve(5);
    this.#bytes[this.#at] = SMALL;
    this.#view.setInt32(this.#at + 1, value, true);
    this.#at += 5;
  }

  #number(value: number, where: () => string): void {
    if ((value | 0) === value && !Object.is(value, -0)) return this.#small(value);
    if (Number.isSafeInteger(value) && value !== 0) return this.#integer(BigInt(value));
    if (Number.isNaN(value)) throw new EbbtideError('bad_parameter', `${where()} is NaN, which SQLite cannot store`);
    this.#reserve(9);
    this.#bytes[this.#at] = REAL;
    this.#view.setFloat64(this.#at + 1, value, true);
    this.#at += 9;
  }

  #bigint(value: bigint, where: () => string): void {
    if (value < MIN_INT64 || value > MAX_INT64) {
      throw new EbbtideError('bad_parameter', `${where()} is ${value}, which does not fit into 64 bits`);
    }
    this.#integer(value);
  }

  #integer(value: bigint): void {
    this.#reserve(9);
    this.#bytes[this.#at] = INTEGER;
    this.#view.setBigInt64(this.#at + 1, value, true);
    this.#at += 9;
  }

  #text(value: string): void {
    this.#reserve(5 + value.length * UTF8_PER_UNIT);
    const start = this.#at + 5;
    const length = value.length < SHORT_TEXT ? this.#shortText(value, start) : this.#longText(value, start);
    this.#bytes[this.#at] = TEXT;
    this.#view.setUint32(this.#at + 1, length, true);
    this.#at = start + length;
  }

  #shortText(value: string, start: number): number {
    for (let index = 0; index < value.length; index++) {
      const unit = value.charCodeAt(index);
      if (unit >= 0x80) return this.#longText(value, start);
      this.#bytes[start + index] = unit;
    }
    return value.length;
  }

  #longText(value: string, start: number): number {
    return encoder.encodeInto(value, this.#bytes.subarray(start)).written;
  }

  #blob(value: Uint8Array): void {
    this.#reserve(5 + value.length);
    this.#bytes[this.#at] = BLOB;
    this.#view.setUint32(this.#at + 1, value.length, true);
    this.#bytes.set(value, this.#at + 5);
    this.#at += 5 + value.length;
  }

  #reserve(count: number): void {
    const needed = this.#at + count;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

function described(value: unknown): string {
  if (value === undefined) return 'undefined; use null for NULL';
  if (value instanceof Date) return 'a Date; bind date.toISOString() or date.getTime()';
  if (typeof value === 'object') return 'an object; bind JSON.stringify(value), or a Uint8Array for a BLOB';
  return `a ${typeof value}, which is no SQL value`;
}

/** Decodes a result into one object a row. Of columns with the same name the last one stays, as in any object. */
export function decodeRows<Row = Record<string, Cell>>(bytes: Uint8Array): Row[] {
  const reader = new Reader(bytes);
  const names = reader.names();
  const unsafe = names.includes('__proto__');
  const rows = new Array<Row>(reader.rows);
  for (let index = 0; index < rows.length; index++) {
    rows[index] = (unsafe ? guardedRow(reader, names) : plainRow(reader, names)) as Row;
  }
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
    this.#text = decodeText(bytes.subarray(bytes.length - this.#view.getUint32(8, true)));
  }

  names(): string[] {
    const names: string[] = [];
    for (let column = 0; column < this.#columns; column++) names.push(this.#cutText());
    return names;
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

  #cutText(): string {
    const start = this.#textAt;
    this.#textAt += this.#view.getUint32(this.#skip(4), true);
    return this.#text.slice(start, this.#textAt);
  }

  #cutBytes(): Uint8Array {
    const length = this.#view.getUint32(this.#skip(4), true);
    const start = this.#skip(length);
    return this.#bytes.slice(start, start + length);
  }
}

function integer(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function decodeText(bytes: Uint8Array): string {
  if (bytes.length >= SHORT_TEXT) return decoder.decode(bytes);
  let text = '';
  for (const byte of bytes) {
    if (byte >= 0x80) return decoder.decode(bytes);
    text += String.fromCharCode(byte);
  }
  return text;
}
