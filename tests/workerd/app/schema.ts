/**
 * The schema of the Worker tests: a parent with a unique column, a child with constraints, values of every type.
 */
import { defineSchema } from '../../../npm/src/schema.ts';

export const schema = defineSchema({
  migrations: [
    `CREATE TABLE household (id TEXT PRIMARY KEY NOT NULL DEFAULT (uuidv7()), name TEXT, code TEXT UNIQUE) STRICT;
     CREATE TABLE visit (id TEXT PRIMARY KEY NOT NULL DEFAULT (uuidv7()),
       household TEXT REFERENCES household(id) ON DELETE CASCADE, doses INTEGER NOT NULL DEFAULT 0 CHECK (doses >= 0), notes TEXT) STRICT`,
    { on: 'client', sql: 'CREATE TABLE draft (id INTEGER PRIMARY KEY)' },
  ],
  tables: { household: {}, visit: {} },
});

/** One version later: a parent table is rebuilt under its children, and a column comes. */
export const upgraded = defineSchema({
  ...schema,
  migrations: [
    ...schema.migrations,
    `CREATE TABLE household_new (id TEXT PRIMARY KEY NOT NULL DEFAULT (uuidv7()), name TEXT, code TEXT UNIQUE,
       village TEXT NOT NULL DEFAULT 'unknown') STRICT;
     INSERT INTO household_new (id, name, code) SELECT id, name, code FROM household;
     DROP TABLE household;
     ALTER TABLE household_new RENAME TO household`,
  ],
});

/** The same with a field that the app merges. */
export const ruled = defineSchema({ ...schema, tables: { household: {}, visit: { merge: { doses: 'custom' } } } });
