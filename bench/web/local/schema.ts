/**
 * The bench's table as an Ebbtide schema: synced, so that every change is captured, or local, so that none is.
 */
import type { SchemaDefinition } from 'ebbtide';
import { TABLE } from './workload.ts';

/** Tables that the schema does not name stay local. */
export function schemaOf(captured: boolean): SchemaDefinition {
  return { migrations: [TABLE], tables: captured ? { item: {} } : {} };
}
