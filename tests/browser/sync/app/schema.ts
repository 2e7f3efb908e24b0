/**
 * The tables of the two-device tests: notes with two independent fields and a counter, entries that belong to a note, and tags of which each exists once.
 * The test page and the test Worker share it.
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
