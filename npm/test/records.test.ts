/**
 * Refused transactions and overwritten values: from the worker's flat rows to the objects of the public types.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupConflicts, groupRejected } from '../src/client/records.ts';

test('JS-22 the fields of a refused transaction become its changes, in order', () => {
  const field = (change: number, column: string, value: string | null, is_key = 0) =>
    ({ id: '7', reason: 'unique', detail: 'visit.id', change, table: 'visit', kind: 'update' as const, column, is_key, value });
  const grouped = groupRejected([field(0, 'id', 'a', 1), field(0, 'notes', null), field(0, 'name', ''), field(1, 'id', 'b', 1)]);
  assert.deepEqual(grouped, [{
    id: '7', reason: 'unique', detail: 'visit.id',
    changes: [
      { table: 'visit', kind: 'update', key: ['a'], values: { notes: null, name: '' } },
      { table: 'visit', kind: 'update', key: ['b'], values: {} },
    ],
  }]);
});

test('JS-22 a record of an overwritten value has its row, its field and the value, falsy ones too', () => {
  const field = (id: number, is_key: number, value: number | string | null, column: string | null) =>
    ({ id, seq: 3, table: 'visit', column, kept: 'incumbent' as const, is_key, value });
  const grouped = groupConflicts([field(1, 1, 'a', 'doses'), field(1, 0, 0, 'doses'), field(2, 1, 'b', null), field(2, 0, null, null)]);
  assert.deepEqual(grouped, [
    { seq: 3, table: 'visit', key: ['a'], kept: 'incumbent', lost: 0, column: 'doses' },
    { seq: 3, table: 'visit', key: ['b'], kept: 'incumbent', lost: null },
  ]);
});
