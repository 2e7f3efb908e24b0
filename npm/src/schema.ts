/**
 * The entry `ebbtide/schema`: checks a schema's shape and freezes it, for the app and its Worker alike.
 * It knows no database and needs no browser; whether tables and columns exist is found out when a database opens.
 */
import { EbbtideError } from './errors.ts';
import type { SchemaDefinition, TableRules } from './types.ts';

export { EbbtideError } from './errors.ts';
export type { RenamingMigration, SchemaDefinition, TableRules } from './types.ts';

const STRATEGIES = ['lww', 'first', 'sum', 'min', 'max', 'set', 'text', 'server', 'review', 'custom'];
const RULES: Readonly<Record<keyof TableRules, readonly string[] | undefined>> = {
  merge: undefined,
  delete: ['wins', 'keep', 'review'],
  row: ['atomic'],
  key: ['natural'],
};

/** Checks a schema and returns a frozen copy. Throws `schema_invalid`, which says where it is wrong. */
export function defineSchema(schema: SchemaDefinition): SchemaDefinition {
  const { migrations, tables, ...others } = object(schema, 'schema');
  unknownKeys(others, 'schema');
  if (!Array.isArray(migrations)) throw invalid('migrations', 'must be a list of SQL texts');
  const checked = {
    migrations: Object.freeze(migrations.map(migration)),
    tables: Object.freeze(mapped(object(tables, 'tables'), 'tables', tableRules)),
  };
  return Object.freeze(checked) as SchemaDefinition;
}

function migration(entry: unknown, index: number): SchemaDefinition['migrations'][number] {
  const place = `migrations[${index}]`;
  if (typeof entry === 'string') return sqlText(entry, place);
  const { sql, on, renames, ...others } = object(entry, place);
  unknownKeys(others, place);
  const text = sqlText(sql, `${place}.sql`);
  if (renames === undefined) {
    if (on !== 'client') throw invalid(`${place}.on`, "must be 'client'");
    return Object.freeze({ sql: text, on });
  }
  if (on !== undefined) throw invalid(`${place}.on`, 'cannot be beside renames: both sides must know them');
  return Object.freeze({ sql: text, renames: Object.freeze(mapped(object(renames, `${place}.renames`), `${place}.renames`, newName)) });
}

function newName(name: unknown, place: string): string {
  if (typeof name !== 'string' || name === '') throw invalid(place, 'must be a name');
  return name;
}

function sqlText(sql: unknown, place: string): string {
  if (typeof sql !== 'string' || sql.trim() === '') throw invalid(place, 'must be SQL');
  return sql;
}

function tableRules(rules: unknown, place: string): TableRules {
  const given = object(rules, place);
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(RULES, name)) throw invalid(`${place}.${name}`, 'is not a rule');
    const choices = RULES[name as keyof TableRules];
    if (choices !== undefined && !choices.includes(value as string)) {
      throw invalid(`${place}.${name}`, `must be ${choices.map((choice) => `'${choice}'`).join(' or ')}`);
    }
  }
  if (given['merge'] === undefined) return Object.freeze({ ...given });
  const merge = Object.freeze(mapped(object(given['merge'], `${place}.merge`), `${place}.merge`, strategy));
  return Object.freeze({ ...given, merge });
}

function strategy(name: unknown, place: string): string {
  if (typeof name !== 'string' || !STRATEGIES.includes(name)) throw invalid(place, `must be one of ${STRATEGIES.join(', ')}`);
  return name;
}

function mapped<T>(given: Record<string, unknown>, place: string, check: (value: unknown, place: string) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, check(value, `${place}.${name}`)]));
}

function object(value: unknown, place: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(place, 'must be an object');
  return value as Record<string, unknown>;
}

function unknownKeys(others: Record<string, unknown>, place: string): void {
  const [name] = Object.keys(others);
  if (name !== undefined) throw invalid(`${place}.${name}`, 'is not known');
}

function invalid(place: string, what: string): EbbtideError {
  return new EbbtideError('schema_invalid', `${place} ${what}`);
}
