/**
 * Pages of the change history in D1, for those whom the token lets into the space.
 * Rust says what to ask; which spaces are open was decided before. `front.ts` calls it.
 */
import { rust } from './module.ts';
import type { Database } from './platform.ts';
import { jsonResponse, refusal } from './replies.ts';

interface Question {
  readonly sql: string;
  readonly params: readonly (string | number | null)[];
  readonly limit: number;
  /** What D1 fails with while nothing was ever delivered to it. */
  readonly nothingYet: string;
}

/** A row of `ebbtide_change`. */
interface Change {
  readonly seq: number;
  readonly op: number;
  readonly kind: string;
  readonly tbl: string;
  readonly key: string;
  readonly col: string | null;
  readonly value: string | null;
  readonly user: string;
  readonly device: string;
  readonly device_seq: number;
  readonly decided_at: number;
}

/** Answers `{ entries, next? }`, newest first. */
export async function historyPage(db: Database | undefined, space: string, asked: URLSearchParams): Promise<Response> {
  if (db === undefined) throw refusal(501, 'history_unavailable', 'the Worker keeps no history: the D1 binding DB is missing');
  const [table, key, before, limit] = ['table', 'key', 'before', 'limit'].map((name) => asked.get(name) ?? undefined);
  const question = rust().historyQuestion(space, table, key, before, limit) as Question;
  const rows = await read(db, question);
  const page = rows.slice(0, question.limit);
  const last = rows.length > page.length ? page.at(-1) : undefined;
  return jsonResponse(JSON.stringify({ entries: page.map(entry), ...(last === undefined ? {} : { next: `${last.seq}.${last.op}` }) }));
}

async function read(db: Database, { sql, params, nothingYet }: Question): Promise<readonly Change[]> {
  try {
    return (await db.prepare(sql).bind(...params).all<Change>()).results;
  } catch (thrown) {
    if (String(thrown).includes(nothingYet)) return [];
    throw thrown;
  }
}

/** Keys and values are JSON already. */
function entry({ seq, kind, tbl, key, col, value, user, device, device_seq, decided_at }: Change): object {
  const of = { seq, at: decided_at, kind, table: tbl, key: JSON.parse(key) as unknown };
  const what = { ...(col === null ? {} : { column: col }), ...(value === null ? {} : { value: JSON.parse(value) as unknown }) };
  return { ...of, ...what, user, device, deviceSeq: device_seq };
}
