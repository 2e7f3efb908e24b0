/**
 * `defineSchema`: what it takes, what it refuses and where it says the mistake is.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineSchema, EbbtideError } from '../src/schema.ts';

const good = {
  migrations: ['CREATE TABLE visit (id TEXT PRIMARY KEY NOT NULL)', { sql: 'CREATE VIEW v AS SELECT 1', on: 'client' as const },
    { sql: 'ALTER TABLE visit RENAME TO call', renames: { visit: 'call' } }],
  tables: { visit: { merge: { doses: 'sum' }, delete: 'keep' as const } },
};

test('JS-70 a schema comes back equal, and frozen to the bottom', () => {
  const schema = defineSchema(good);
  assert.deepEqual(schema, good);
  assert.ok([schema, schema.migrations, schema.migrations[1], schema.tables, schema.tables['visit'], schema.tables['visit']?.merge].every(Object.isFrozen));
  assert.deepEqual(JSON.parse(JSON.stringify(schema)), good);
  assert.deepEqual(defineSchema(schema), schema, 'defining it again changes nothing');
});

test('JS-71 what is wrong is said with its place', () => {
  const cases: [unknown, RegExp][] = [
    [undefined, /^schema must/],
    [[], /^schema must/],
    [{ ...good, extra: 1 }, /^schema\.extra/],
    [{ ...good, migrations: 'CREATE' }, /^migrations must/],
    [{ ...good, migrations: [''] }, /^migrations\[0\]/],
    [{ ...good, migrations: [{ sql: 'SELECT 1' }] }, /^migrations\[0\]\.on/],
    [{ ...good, migrations: [{ sql: 1, on: 'client' }] }, /^migrations\[0\]\.sql/],
    [{ ...good, migrations: [{ sql: 'SELECT 1', renames: { a: '' } }] }, /^migrations\[0\]\.renames\.a/],
    [{ ...good, migrations: [{ sql: 'SELECT 1', on: 'client', renames: {} }] }, /^migrations\[0\]\.on/],
    [{ ...good, tables: null }, /^tables must/],
    [{ ...good, tables: { visit: null } }, /^tables\.visit must/],
    [{ ...good, tables: { visit: { remove: 'wins' } } }, /^tables\.visit\.remove/],
    [{ ...good, tables: { visit: { delete: 'never' } } }, /^tables\.visit\.delete must be 'wins'/],
    [{ ...good, tables: { visit: { merge: { doses: 'add' } } } }, /^tables\.visit\.merge\.doses must be one of lww/],
  ];
  for (const [schema, message] of cases) {
    const thrown = (() => { try { defineSchema(schema as never); return undefined; } catch (error) { return error; } })();
    assert.ok(thrown instanceof EbbtideError && thrown.code === 'schema_invalid' && message.test(thrown.message), String(thrown));
  }
});
