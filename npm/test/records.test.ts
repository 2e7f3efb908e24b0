/**
 * Refused transactions and overwritten values: from the worker's flat rows to the objects of the public types.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupDecided, groupOpen, type ConflictPart } from '../src/client/conflicts.ts';
import { groupRejected } from '../src/client/records.ts';

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

const part = (over: Partial<ConflictPart>): ConflictPart => ({
  id: '3.0', seq: 3, table: 'visit', column: 'doses', kept: 'incumbent', at: 9, part: 'key', side: null, wanted: null,
  author: null, device: null, mine: null, name: null, value: 'a', ...over,
});

test('JS-22 an open conflict has its row, its field, the base and all sides, falsy values too', () => {
  const side = { part: 'side', wanted: 'value', author: 'ann', device: 'd1', mine: 0, at: 5 } as const;
  const grouped = groupOpen([
    part({}), part({ part: 'base', value: '' }), part({ ...side, side: 0, value: 0 }), part({ ...side, side: 1, mine: 1, value: null }),
  ]);
  const both = { author: 'ann', device: 'd1', at: 5 };
  const sides = [{ value: 0, ...both, mine: false }, { value: null, ...both, mine: true }];
  assert.deepEqual(grouped, [{ id: '3.0', table: 'visit', key: ['a'], column: 'doses', base: '', sides, openedAt: 9 }]);
});

test('JS-170 an open conflict between rows has the row that was seen and that of each side', () => {
  const row = { column: null, at: 5 };
  const side = { ...row, part: 'side', wanted: 'row', author: 'ann', mine: 0, value: null } as const;
  const grouped = groupOpen([
    part({ column: null }), part({ ...row, part: 'base', name: 'zip', value: 0 }), part({ ...row, part: 'base', name: '__proto__', value: null }),
    part({ ...side, side: 0 }), part({ ...side, part: 'field', side: 0, name: 'zip', value: '' }),
  ]);
  const baseRow = Object.fromEntries([['zip', 0], ['__proto__', null]]);
  const sides = [{ value: null, row: { zip: '' }, author: 'ann', at: 5, mine: false }];
  assert.deepEqual(grouped, [{ id: '3.0', table: 'visit', key: ['a'], baseRow, sides, openedAt: 9 }]);
});

test('JS-22 a decided conflict about a row names the deletion and the fields that were lost', () => {
  const side = { id: '1', column: null, part: 'side', author: 'ann', mine: 0, at: 5, value: null } as const;
  const grouped = groupDecided([
    part({ id: '1', column: null }), part({ ...side, side: 0, wanted: 'deleted' }), part({ ...side, side: 1, wanted: 'row' }),
    part({ ...side, part: 'field', side: 1, wanted: 'row', name: 'notes', value: 0 }),
  ]);
  const both = { value: null, author: 'ann', at: 5, mine: false };
  assert.deepEqual(grouped, [{
    seq: 3, table: 'visit', key: ['a'], kept: 'incumbent', lost: null,
    incumbent: { ...both, deleted: true }, challenger: { ...both, row: { notes: 0 } },
  }]);
});
