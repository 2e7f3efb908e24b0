/**
 * `db.audit`: the change history that the server keeps in D1, asked for over HTTP.
 * Nothing of it is on the device; what the device itself knows of a row is `db.log`. `open.ts` makes it.
 */
import type { Cell, Parameter } from '../cells.ts';
import { EbbtideError } from '../errors.ts';
import type { Audit, AuditEntry, AuditPage, AuditQuestion, Row } from '../types.ts';
import { requireToken } from './token.ts';

/** Where the history is, and who asks. */
export interface AuditSource {
  readonly url: string;
  readonly space: string;
  readonly token: () => string | Promise<string>;
}

/** The history of a space. */
export class PageAudit implements Audit {
  readonly #source: AuditSource | undefined;

  constructor(source: AuditSource | undefined) {
    this.#source = source;
  }

  async list(question: AuditQuestion = {}): Promise<AuditPage> {
    if (this.#source === undefined) throw new EbbtideError('not_syncing', 'audit.list(): the database was opened without `sync`');
    const { url, space, token } = this.#source;
    const address = `${url}/v1/spaces/${encodeURIComponent(space)}/history?${parameters(question)}`;
    if (!navigator.onLine) throw new EbbtideError('offline', 'the history is with the server, and there is no network', { retryable: true });
    const Authorization = `Bearer ${requireToken(await token())}`;
    const init = { headers: { Authorization }, cache: 'no-store', ...(question.signal === undefined ? {} : { signal: question.signal }) } as const;
    const response = await fetch(address, init).catch((thrown: unknown) => {
      question.signal?.throwIfAborted();
      throw new EbbtideError('network_error', 'the server cannot be reached', { retryable: true, cause: thrown });
    });
    if (!response.ok) throw await refused(response);
    return pageOf((await response.json()) as WirePage);
  }
}

/** What the server answers: values as JSON, where JSON cannot say them as an object with one member. */
export interface WirePage {
  readonly entries: readonly WireEntry[];
  readonly next?: string;
}

interface WireEntry extends Omit<AuditEntry, 'key' | 'values' | 'omitted'> {
  readonly key: unknown;
  readonly column?: string;
  readonly value?: unknown;
}

function parameters({ table, key, before, limit }: AuditQuestion): URLSearchParams {
  const asked = new URLSearchParams();
  if (table !== undefined) asked.set('table', table);
  if (key !== undefined) asked.set('key', JSON.stringify((Array.isArray(key) ? (key as readonly Parameter[]) : [key as Parameter]).map(toJson)));
  if (before !== undefined) asked.set('before', before);
  if (limit !== undefined) asked.set('limit', String(limit));
  return asked;
}

async function refused(response: Response): Promise<EbbtideError> {
  const said = (await response.json().catch(() => undefined)) as { code?: unknown; message?: unknown; retryable?: unknown } | undefined;
  if (typeof said?.code !== 'string') return new EbbtideError('network_error', `the server answered ${response.status}`, { retryable: response.status >= 500 });
  return new EbbtideError(said.code, String(said.message), { retryable: said.retryable === true });
}

/** Brings the values into SQLite's types. */
export function pageOf({ entries, next }: WirePage): AuditPage {
  return { entries: entries.map(entryOf), ...(next === undefined ? {} : { next }) };
}

function entryOf({ key, column, value, ...rest }: WireEntry): AuditEntry {
  const bytes = omitted(value);
  const keyOf = Array.isArray(key) ? key.map(fromJson) : [];
  return { ...rest, key: keyOf, values: bytes === undefined ? valuesOf(column, value) : {}, ...(bytes === undefined ? {} : { omitted: bytes }) };
}

function valuesOf(column: string | undefined, value: unknown): Row {
  if (column !== undefined) return { [column]: fromJson(value) };
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([name, cell]): [string, Cell] => [name, fromJson(cell)]));
}

function omitted(value: unknown): number | undefined {
  const bytes = typeof value === 'object' && value !== null && '$omitted' in value ? value.$omitted : undefined;
  return typeof bytes === 'number' ? bytes : undefined;
}

function toJson(value: Parameter): unknown {
  if (typeof value === 'bigint') return { $integer: String(value) };
  if (typeof value === 'boolean') return Number(value);
  if (value instanceof ArrayBuffer) return { $blob: hex(new Uint8Array(value)) };
  if (value instanceof Uint8Array) return { $blob: hex(value) };
  if (typeof value === 'number' && !Number.isFinite(value)) return { $real: String(value) };
  return value;
}

function fromJson(value: unknown): Cell {
  if (typeof value !== 'object' || value === null) return value as Cell;
  const { $integer, $real, $blob } = value as { $integer?: string; $real?: string; $blob?: string };
  if ($integer !== undefined) return BigInt($integer);
  if ($real !== undefined) return Number($real);
  if ($blob !== undefined) return Uint8Array.from($blob.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
  return null;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
