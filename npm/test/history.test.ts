/**
 * The history of a row: from the worker's flat rows and the server's JSON to the objects of the public types.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pageOf } from '../src/client/audit.ts';
import { groupLog, type LogField } from '../src/client/log.ts';

test('JS-55 the changes of a row keep their order, falsy values and what the space merged', () => {
  const field = (entry: number, over: Partial<LogField>): LogField => ({
    entry, transaction: `${entry}`, at: 5, state: 'applied', reason: '', kind: 'update', column: null, is_merged: 0, value: null, ...over,
  });
  const entries = groupLog([
    field(0, { column: 'title', value: '' }), field(0, { column: 'doses', is_merged: 1 }), field(0, { column: 'notes' }),
    field(1, { kind: 'delete', state: 'rejected', reason: 'stale' }),
  ]);
  assert.deepEqual(entries, [
    { transaction: '0', at: 5, state: 'applied', kind: 'update', values: { title: '', notes: null }, merged: ['doses'] },
    { transaction: '1', at: 5, state: 'rejected', kind: 'delete', values: {}, reason: 'stale' },
  ]);
});

test('JS-55 values of the history have their types, and what is too large says how large it was', () => {
  const of = { seq: 1, at: 2, table: 't', user: 'ann', device: 'd', deviceSeq: 1 };
  const page = pageOf({
    next: '1.0',
    entries: [
      { ...of, kind: 'insert', key: [{ $blob: '00ff' }], value: { a: null, b: { $integer: '-9223372036854775808' }, c: { $real: '-Infinity' } } },
      { ...of, kind: 'update', key: ['k', 0], column: 'a', value: '' },
      { ...of, kind: 'update', key: ['k'], column: 'a', value: { $omitted: 70000 } },
      { ...of, kind: 'delete', key: { $omitted: 9 } },
    ],
  });
  assert.equal(page.next, '1.0');
  assert.deepEqual(page.entries.map(({ key, values, omitted }) => [key, values, omitted]), [
    [[new Uint8Array([0, 255])], { a: null, b: -9223372036854775808n, c: -Infinity }, undefined],
    [['k', 0], { a: '' }, undefined], [['k'], {}, 70000], [[], {}, undefined],
  ]);
});
