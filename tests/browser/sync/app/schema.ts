/**
 * The tables of the two-device tests: notes with two independent fields and a counter, entries that belong to a note, and tags of which each exists once;
 * the same one version on; visits whose fields merge each by another strategy, and addresses that merge as a whole. The test page and the test Workers share them.
 */
import { defineSchema } from 'ebbtide/schema';

export const schema = defineSchema({
  migrations: [
    `CREATE TABLE note (
       id TEXT PRIMARY KEY NOT NULL DEFAULT (uuidv7()), title TEXT NOT NULL DEFAULT '', body TEXT NOT NULL DEFAULT '', count INTEGER NOT NULL DEFAULT 0
     ) STRICT;
     CREATE TABLE entry (
       id TEXT PRIMARY KEY NOT NULL DEFAULT (uuidv7()), note TEXT NOT NULL REFERENCES note(id) ON DELETE CASCADE, text TEXT NOT NULL
     ) STRICT;
     CREATE TABLE tag (id TEXT PRIMARY KEY NOT NULL DEFAULT (uuidv7()), name TEXT NOT NULL UNIQUE) STRICT`,
  ],
  tables: { note: {}, entry: {}, tag: {} },
});

/**
 * One version later: notes are rebuilt under their entries with a column more and other titles, and devices get a table for search.
 */
export const upgraded = defineSchema({
  ...schema,
  migrations: [
    ...schema.migrations,
    `CREATE TABLE note_new (
       id TEXT PRIMARY KEY NOT NULL DEFAULT (uuidv7()), title TEXT NOT NULL DEFAULT '', body TEXT NOT NULL DEFAULT '', count INTEGER NOT NULL DEFAULT 0,
       place TEXT NOT NULL DEFAULT 'unknown'
     ) STRICT;
     INSERT INTO note_new (id, title, body, count) SELECT id, upper(title), body, count FROM note;
     DROP TABLE note;
     ALTER TABLE note_new RENAME TO note`,
    { on: 'client', sql: 'CREATE TABLE opened (note TEXT PRIMARY KEY NOT NULL, times INTEGER NOT NULL)' },
  ],
});

/** A field for each strategy, the rules for deleted rows, and rows that wait for a person as a whole. */
export const merging = defineSchema({
  migrations: [
    `CREATE TABLE visit (
       id TEXT PRIMARY KEY NOT NULL DEFAULT (uuidv7()), doses INTEGER NOT NULL DEFAULT 0, notes TEXT, diagnosis TEXT, opened_by TEXT,
       lowest REAL, highest INTEGER, tags TEXT, stage TEXT, score INTEGER, place TEXT
     ) STRICT;
     CREATE TABLE kept (id TEXT PRIMARY KEY NOT NULL, name TEXT) STRICT;
     CREATE TABLE disputed (id TEXT PRIMARY KEY NOT NULL, name TEXT) STRICT;
     CREATE TABLE address (id TEXT PRIMARY KEY NOT NULL, street TEXT, zip INTEGER, plan BLOB) STRICT`,
  ],
  tables: {
    visit: {
      merge: {
        doses: 'sum', notes: 'text', diagnosis: 'review', opened_by: 'first', lowest: 'min', highest: 'max', tags: 'set', stage: 'server', score: 'custom',
      },
    },
    kept: { delete: 'keep' },
    disputed: { delete: 'review' },
    address: { row: 'atomic', merge: { street: 'review' } },
  },
});

/** Values of every type, in columns with and without a declared strictness, under keys of every kind. */
export const values = defineSchema({
  migrations: [
    `CREATE TABLE cell (id TEXT PRIMARY KEY NOT NULL, i INTEGER, r REAL, t TEXT, b BLOB, a ANY) STRICT;
     CREATE TABLE loose (id TEXT PRIMARY KEY NOT NULL, n NUMERIC, t TEXT, plain);
     CREATE TABLE pair (clinic TEXT NOT NULL, day INTEGER NOT NULL, tag BLOB NOT NULL, name TEXT, PRIMARY KEY (clinic, day, tag)) STRICT;
     CREATE TABLE place (id TEXT PRIMARY KEY NOT NULL, code TEXT UNIQUE, parent TEXT REFERENCES place(id) ON UPDATE CASCADE ON DELETE SET NULL) STRICT`,
  ],
  tables: { cell: {}, loose: {}, pair: {}, place: {} },
});

/** What a device may open. */
export const schemas = { plain: schema, upgraded, merging, values };
