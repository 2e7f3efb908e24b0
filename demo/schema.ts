/**
 * The demo's tables, once, for the app in the browser and for its Worker.
 * Households, their members and visits are synced; the list of facilities is the same everywhere and stays local.
 */

import { defineSchema } from 'ebbtide/schema';

/** More doses in one visit are a slip of the finger. The form says so, and the server holds it. */
export const MOST_DOSES = 99;

export const schema = defineSchema({
  migrations: [
    `CREATE TABLE household (
       id TEXT PRIMARY KEY NOT NULL DEFAULT (uuidv7()),
       name TEXT NOT NULL,
       village TEXT NOT NULL DEFAULT '',
       directions TEXT NOT NULL DEFAULT '',
       facility TEXT
     ) STRICT;
     CREATE TABLE member (
       id TEXT PRIMARY KEY NOT NULL DEFAULT (uuidv7()),
       household TEXT NOT NULL REFERENCES household(id) ON DELETE CASCADE,
       name TEXT NOT NULL,
       birth_year INTEGER
     ) STRICT;
     CREATE TABLE visit (
       id TEXT PRIMARY KEY NOT NULL DEFAULT (uuidv7()),
       household TEXT NOT NULL REFERENCES household(id) ON DELETE CASCADE,
       visited_on TEXT NOT NULL,
       visitor TEXT NOT NULL,
       doses INTEGER NOT NULL DEFAULT 0 CHECK (doses >= 0),
       notes TEXT NOT NULL DEFAULT ''
     ) STRICT`,
    {
      on: 'client',
      sql: `CREATE TABLE facility (
              code TEXT PRIMARY KEY NOT NULL,
              name TEXT NOT NULL,
              kind TEXT NOT NULL,
              region TEXT NOT NULL,
              country TEXT NOT NULL
            ) STRICT`,
    },
  ],
  // What somebody recorded for a household outweighs that another removed it meanwhile.
  tables: { household: { delete: 'keep' }, member: {}, visit: {} },
});
