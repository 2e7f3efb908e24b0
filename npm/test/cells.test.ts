/**
 * Values on their way between JavaScript and the database, without a database: what is encoded, what is refused.
 * The other end's tests are in `wasm-client/src/cells.rs`; both in one are in `tests/browser/local`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeRows, encodeParameters, encodeRows, type Cell } from '../src/cells.ts';
import { EbbtideError } from '../src/errors.ts';

const TEXT = 3;
const SMALL = 5;

/** Builds a result as the worker does, from parameters that the page encoded: the cells of both have one form but text. */
function resultOf(names: string[], rows: Cell[][]): Uint8Array {
  const cells: number[] = [];
  let text = '';
  const putText = (value: string) => {
    cells.push(...u32(value.length));
    text += value;
  };
  names.forEach(putText);
  for (const value of rows.flat()) {
    if (typeof value === 'string') {
      cells.push(TEXT);
      putText(value);
    } else {
      cells.push(...encodeParameters([value]).subarray(8));
    }
  }
  const bytes = new TextEncoder().encode(text);
  return Uint8Array.from([...u32(names.length), ...u32(rows.length), ...u32(bytes.length), ...cells, ...bytes]);
}

function u32(value: number): number[] {
  return [...new Uint8Array(Uint32Array.of(value).buffer)];
}

function refused(code: string, about: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof EbbtideError && error.code === code && about.test(error.message);
}

test('JS-11 every value comes back as what it was, bit for bit', () => {
  const row: Cell[] = [null, 0, -0, '', 1.5, -1, 2 ** 31, -(2 ** 53), 2n ** 63n - 1n, 5e-324, -Infinity, 'é😀\0z', new Uint8Array([0, 255])];
  const names = row.map((_, index) => `c${index}`);
  const [back] = decodeRows<Record<string, Cell>>(resultOf(names, [row]));
  row.forEach((value, index) => {
    const found = back![`c${index}`];
    if (value instanceof Uint8Array) assert.deepEqual(found, value);
    else assert.ok(Object.is(found, value), `${String(value)} came back as ${String(found)}`);
  });
});

test('JS-11 integers are numbers up to 2^53 and bigints beyond', () => {
  const [row] = decodeRows<Record<string, Cell>>(resultOf(['a', 'b'], [[BigInt(Number.MAX_SAFE_INTEGER), 2n ** 53n]]));
  assert.equal(row!['a'], Number.MAX_SAFE_INTEGER);
  assert.equal(row!['b'], 2n ** 53n);
});

test('JS-11 booleans are bound as 0 and 1', () => {
  assert.deepEqual([...encodeParameters([true, false]).subarray(8)], [SMALL, 1, 0, 0, 0, SMALL, 0, 0, 0, 0]);
});

test('JS-12 what is no SQL value is refused by its position, with advice', () => {
  const cases: [unknown, RegExp][] = [
    [undefined, /parameter 2 is undefined; use null/],
    [new Date(0), /parameter 2 is a Date; bind date\.toISOString\(\)/],
    [{ a: 1 }, /parameter 2 is an object; bind JSON\.stringify/],
    [[1], /parameter 2 is an object/],
    [() => 1, /parameter 2 is a function/],
    [Symbol('s'), /parameter 2 is a symbol/],
    [NaN, /parameter 2 is NaN/],
    [2n ** 63n, /does not fit into 64 bits/],
  ];
  for (const [value, about] of cases) {
    assert.throws(() => encodeParameters([1, value]), refused('bad_parameter', about));
  }
  assert.throws(() => encodeParameters('text' as never), refused('bad_parameter', /must be an array/));
  assert.throws(() => encodeParameters({ a: 1 } as never), refused('bad_parameter', /must be an array/));
});

test('JS-12 rows of unequal length are refused by their number', () => {
  assert.throws(() => encodeRows([[1, 2], [3]]), refused('bad_parameter', /row 2 has 1 values where row 1 has 2/));
  assert.throws(() => encodeRows([[1], [undefined]]), refused('bad_parameter', /row 2, parameter 1 is undefined/));
  assert.throws(() => encodeRows([[1], 2 as never]), refused('bad_parameter', /row 2 must be an array/));
});

test('JS-11 long text and many rows outgrow the first buffer', () => {
  const long = 'ä'.repeat(100_000);
  const bytes = encodeRows(Array.from({ length: 100 }, () => [long]));
  assert.ok(bytes.length > 100 * 200_000);
});

test('JS-11 of columns with one name the last stays, and __proto__ is a name like any other', () => {
  const [row] = decodeRows<Record<string, Cell>>(resultOf(['a', 'a'], [[1, 2]]));
  assert.deepEqual(row, { a: 2 });
  const [odd] = decodeRows<Record<string, Cell>>(resultOf(['__proto__', 'x'], [['p', 1]]));
  assert.equal(Object.getOwnPropertyDescriptor(odd, '__proto__')?.value, 'p');
  assert.equal(Object.getPrototypeOf(odd), Object.prototype);
});

test('JS-11 a BLOB in a result has a buffer of its own', () => {
  const [row] = decodeRows<{ b: Uint8Array }>(resultOf(['b'], [[new Uint8Array([1, 2, 3])]]));
  assert.equal(row!.b.buffer.byteLength, 3);
});

test('JS-11 names that make the same text are not confused', () => {
  assert.deepEqual(decodeRows(resultOf(['ab', 'c'], [[1, 2]])), [{ ab: 1, c: 2 }]);
  assert.deepEqual(decodeRows(resultOf(['a', 'bc'], [[1, 2]])), [{ a: 1, bc: 2 }]);
  assert.deepEqual(decodeRows(resultOf(['ab', 'c'], [[1, 2]])), [{ ab: 1, c: 2 }]);
});

test('JS-12 a refused call leaves nothing behind for the next', () => {
  assert.throws(() => encodeParameters(['half', undefined]));
  assert.deepEqual([...encodeParameters([1])], [1, 0, 0, 0, 1, 0, 0, 0, SMALL, 1, 0, 0, 0]);
});
