/**
 * The schema that the browser tests use, in the shape in which `defineSchema` answers it.
 * Plain data: it crosses into pages.
 */
import type { SchemaDefinition } from '../../../npm/src/types.ts';

/** Two synced tables with a reference, and local ones. */
export const SCHEMA: SchemaDefinition = {
  migrations: [
    `CREATE TABLE household (id TEXT PRIMARY KEY NOT NULL DEFAULT (uuidv7()), name TEXT) STRICT;
     CREATE TABLE visit (id TEXT PRIMARY KEY NOT NULL DEFAULT (uuidv7()),
       household TEXT NOT NULL REFERENCES household(id) ON DELETE CASCADE,
       doses INTEGER NOT NULL DEFAULT 0 CHECK (doses >= 0), notes TEXT) STRICT;
     CREATE TABLE thing (id INTEGER PRIMARY KEY, value ANY) STRICT;
     CREATE TABLE unique_thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);`,
  ],
  tables: { household: {}, visit: {} },
};
