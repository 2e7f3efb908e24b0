/**
 * Functions of the app that decide in the space: the strategy `custom`, and `validate`.
 * What they may be asked and what becomes of their answers is decided in Rust; here they are checked, found by name, and held to answer at once.
 * `createServer` takes them, Rust calls them.
 */
import type { Cell, Parameter } from '../cells.ts';
import { EbbtideError } from '../errors.ts';
import type { SchemaDefinition } from '../types.ts';

/** A row by column, keys too. */
export type RowValues = Readonly<Record<string, Cell>>;

/** Who writes. */
export interface Writer {
  /** The user's id. */
  readonly user: string;
  /** The device, 32 hexadecimal digits. */
  readonly device: string;
}

/** Two values of a field that met without having seen each other. */
export interface MergeQuestion {
  /** The row, merged as far as that went without the function; the field has `theirs`. */
  readonly row: RowValues;
  /** What the writer had seen in the field; undefined where it inserted the row. */
  readonly base: Cell | undefined;
  /** What the writer wants. */
  readonly mine: Cell;
  /** What the space has. */
  readonly theirs: Cell;
  readonly identity: Writer;
}

/** Says what a field becomes. Pure and synchronous: same question, same answer. A throw refuses the writer's transaction. */
export type MergeFunction = (question: MergeQuestion) => Parameter;

/** What `validate` is told beside the row. */
export interface Validation {
  /** The row as it was; undefined if it is new. */
  readonly before: RowValues | undefined;
  readonly identity: Writer;
}

/** Looks at a row as it will be after merging. Pure and synchronous; what it throws refuses the transaction, in these words. */
export type ValidateFunction = (row: RowValues, context: Validation) => void;

/** The functions of an app. */
export interface Rules {
  /** By table and column: one for each field whose strategy is `custom`. */
  readonly merge?: Readonly<Record<string, Readonly<Record<string, MergeFunction>>>>;
  /** By table. Rows that are deleted are not shown. */
  readonly validate?: Readonly<Record<string, ValidateFunction>>;
}

/** The functions as Rust calls them. */
export interface AppFunctions {
  validates(table: string): boolean;
  merge(table: string, column: string, question: MergeQuestion): Parameter;
  validate(table: string, row: RowValues, context: Validation): void;
}

/** Checks the functions against the schema: each `custom` field has one, and each function its field or table. */
export function appFunctions({ tables = {} }: SchemaDefinition, { merge = {}, validate = {} }: Rules): AppFunctions {
  for (const [table, { merge: strategies = {} }] of Object.entries(tables)) {
    for (const [column, strategy] of Object.entries(strategies)) {
      if (strategy === 'custom') requireFunction(`merge.${table}.${column}`, own(own(merge, table), column));
    }
  }
  for (const [table, columns] of Object.entries(merge)) {
    for (const column of Object.keys(columns)) {
      if (own(own(tables, table)?.merge, column) !== 'custom') throw invalid(`merge.${table}.${column} is for no field with the strategy 'custom'`);
    }
  }
  for (const [table, check] of Object.entries(validate)) {
    if (own(tables, table) === undefined) throw invalid(`validate.${table} is for no synced table`);
    requireFunction(`validate.${table}`, check);
  }
  const checks = new Map(Object.entries(validate).map(([table, check]) => [table.toLowerCase(), check]));
  const merges = new Map(Object.entries(merge).flatMap(([table, columns]) => Object.entries(columns).map(([column, decide]) => [name(table, column), decide])));
  return {
    validates: (table) => checks.has(table.toLowerCase()),
    merge: (table, column, question) => atOnce(merges.get(name(table, column))!(question)),
    validate: (table, row, context) => void atOnce(checks.get(table.toLowerCase())!(row, context)),
  };
}

/** SQLite ignores the case of names. */
function name(table: string, column: string): string {
  return JSON.stringify([table.toLowerCase(), column.toLowerCase()]);
}

function own<T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined;
}

function requireFunction(place: string, found: unknown): void {
  if (typeof found !== 'function') throw invalid(`${place} must be a function`);
  if (found.constructor.name === 'AsyncFunction') throw invalid(`${place} must answer at once, so it cannot be async`);
}

function atOnce<T>(answer: T): T {
  if (typeof (answer as { then?: unknown } | null | undefined)?.then !== 'function') return answer;
  // Nobody waits for it, and its failure must not end the isolate.
  Promise.resolve(answer).catch(() => undefined);
  throw new EbbtideError('server_misconfigured', 'the function answered a promise; it must answer at once');
}

function invalid(what: string): EbbtideError {
  return new EbbtideError('server_misconfigured', what);
}
