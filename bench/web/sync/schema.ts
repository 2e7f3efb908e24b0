/**
 * The table that travels: the facilities with UUIDv7 keys. The page and the Worker share it.
 */
import { defineSchema } from 'ebbtide/schema';

export const schema = defineSchema({
  migrations: [
    `CREATE TABLE facility (
       id TEXT PRIMARY KEY NOT NULL DEFAULT (uuidv7()), country TEXT, iso3 TEXT, admin1 TEXT, name TEXT, type TEXT, ownership TEXT,
       lat REAL, lon REAL, location_source TEXT
     ) STRICT`,
  ],
  tables: { facility: {} },
});
