/**
 * `db.conflicts`: what waits for a person, what rules have decided, and the person's choice.
 * The worker answers flat rows; here they become the objects of the public types. `database.ts` makes it.
 */
import { decodeRows, encodeParameters, type Cell } from '../cells.ts';
import { EbbtideError } from '../errors.ts';
import type { ConflictSide, Conflicts, DecidedConflict, OpenConflict, Resolution, Row } from '../types.ts';
import type { Connection } from './connection.ts';

/** A part of a conflict as it crosses. */
export interface ConflictPart {
  readonly id: string;
  readonly seq: number;
  readonly table: string;
  readonly column: string | null;
  readonly kept: DecidedConflict['kept'];
  /** Of a side, when it was written; otherwise when the space opened the conflict. */
  readonly at: number;
  /** `base` has a name where it is a field of a row. */
  readonly part: 'key' | 'base' | 'side' | 'field';
  readonly side: number | null;
  readonly wanted: 'value' | 'deleted' | 'row' | null;
  readonly author: string | null;
  readonly device: string | null;
  readonly mine: number | null;
  readonly name: string | null;
  readonly value: Cell;
}

/** How a choice that is no place of a side crosses. */
const MINE = -1;
const VALUE = -2;
/** Names and values by turns. */
const ROW = -3;

/** The conflicts of a database. */
export class PageConflicts implements Conflicts {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async list(): Promise<OpenConflict[]> {
    return groupOpen(decodeRows<ConflictPart>(await this.#connection.call('openConflicts', null)));
  }

  async decided(): Promise<DecidedConflict[]> {
    return groupDecided(decodeRows<ConflictPart>(await this.#connection.call('decidedConflicts', null)));
  }

  async resolve(id: string, resolution: Resolution): Promise<void> {
    const { side, value } = choiceOf(resolution);
    await this.#connection.call('resolveConflict', { id, side, value: encodeParameters(value) });
  }
}

function choiceOf(resolution: Resolution): { side: number; value: unknown[] } {
  if (typeof resolution === 'object' && resolution !== null) {
    if ('side' in resolution && Number.isInteger(resolution.side) && resolution.side >= 0 && resolution.side < 2 ** 31) {
      return { side: resolution.side, value: [] };
    }
    if ('mine' in resolution && resolution.mine === true) return { side: MINE, value: [] };
    if ('value' in resolution) return valueOf(resolution.value);
  }
  throw new EbbtideError('bad_parameter', 'a resolution is { side: number }, { mine: true } or { value }');
}

function valueOf(value: unknown): { side: number; value: unknown[] } {
  return isRow(value) ? { side: ROW, value: Object.entries(value).flat() } : { side: VALUE, value: [value] };
}

/** An object of the app and nothing that SQLite could store. */
function isRow(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** Gathers the parts of each open conflict. */
export function groupOpen(parts: readonly ConflictPart[]): OpenConflict[] {
  return [...Map.groupBy(parts, (part) => part.id).values()].map((record) => {
    const openedAt = record.find((part) => part.part === 'key')!.at;
    return { id: record[0]!.id, ...placeOf(record), ...baseOf(record), sides: sidesOf(record), openedAt };
  });
}

function baseOf(record: readonly ConflictPart[]): { base?: Cell; baseRow?: Row } {
  const parts = record.filter((part) => part.part === 'base');
  if (parts.length === 0) return {};
  return parts[0]!.name === null ? { base: parts[0]!.value } : { baseRow: rowOf(parts) };
}

function rowOf(fields: readonly ConflictPart[]): Row {
  return Object.fromEntries(fields.map((field): [string, Cell] => [field.name!, field.value]));
}

/** Gathers the parts of each decided conflict. */
export function groupDecided(parts: readonly ConflictPart[]): DecidedConflict[] {
  return [...Map.groupBy(parts, (part) => part.id).values()].map((record) => {
    const { seq, kept } = record[0]!;
    const [incumbent, challenger] = sidesOf(record) as [ConflictSide, ConflictSide];
    const lost = (kept === 'incumbent' ? challenger : incumbent).value;
    return { seq, ...placeOf(record), kept, lost, incumbent, challenger };
  });
}

function placeOf(record: readonly ConflictPart[]): { table: string; key: Cell[]; column?: string } {
  const { table, column } = record[0]!;
  const key = record.filter((part) => part.part === 'key').map((part) => part.value);
  return { table, key, ...(column === null ? {} : { column }) };
}

function sidesOf(record: readonly ConflictPart[]): ConflictSide[] {
  return record.filter((part) => part.part === 'side').map((side) => sideOf(side, record));
}

function sideOf(side: ConflictPart, record: readonly ConflictPart[]): ConflictSide {
  const row = rowOf(record.filter((part) => part.part === 'field' && part.side === side.side));
  return {
    value: side.value,
    ...(side.wanted === 'deleted' ? { deleted: true } : {}),
    ...(side.wanted === 'row' ? { row } : {}),
    author: side.author!,
    ...(side.device === null ? {} : { device: side.device }),
    at: side.at,
    mine: side.mine === 1,
  };
}
