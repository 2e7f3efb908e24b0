/**
 * The list of health facilities: loaded once from the app's own files into a local table, then searched with SQL.
 * It is the same on every device, so it is not synced. The page's start loads it; the facility field searches it.
 */

import type { Database } from 'ebbtide';

export interface Facility {
  readonly code: string;
  readonly name: string;
  readonly kind: string;
  readonly region: string;
  readonly country: string;
}

const FILE = '/facilities.csv.gz';
const SUGGESTIONS = 8;

/** Fills the local table when it is empty. */
export async function loadFacilities(db: Database): Promise<void> {
  const filled = await db.get<{ some: number }>('SELECT EXISTS (SELECT 1 FROM facility) AS some');
  if (filled?.some) return;
  const rows = facilitiesOf(await readList());
  const sql = 'INSERT OR IGNORE INTO facility (code, name, kind, region, country) VALUES (?, ?, ?, ?, ?)';
  await db.execMany(sql, rows.map(({ code, name, kind, region, country }) => [code, name, kind, region, country]));
}

/** The facilities whose name or region contains every word, those whose name begins with the first word first. */
export async function findFacilities(db: Database, text: string): Promise<Facility[]> {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean).slice(0, 6);
  const conditions = words.map(() => "instr(lower(name || ' ' || region), ?) > 0");
  const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
  const sql = `SELECT code, name, kind, region, country FROM facility ${where}
               ORDER BY CASE instr(lower(name), ?) WHEN 0 THEN 3 WHEN 1 THEN 1 ELSE 2 END, name, code LIMIT ${SUGGESTIONS}`;
  return db.query<Facility>(sql, [...words, words[0] ?? '']);
}

async function readList(): Promise<string> {
  const response = await fetch(FILE);
  if (!response.ok || !response.body) throw new Error(`the list of facilities did not load (${response.status})`);
  return new Response(response.body.pipeThrough(new DecompressionStream('gzip'))).text();
}

/** A facility's code is its country and its number in that country's part of the list, which never changes. */
function facilitiesOf(csv: string): Facility[] {
  const counts = new Map<string, number>();
  const [, ...lines] = csv.split('\n').filter(Boolean);
  return lines.map((line) => {
    const [country = '', iso = '', region = '', name = '', kind = ''] = fieldsOf(line);
    const number = (counts.get(iso) ?? 0) + 1;
    counts.set(iso, number);
    return { code: `${iso}-${String(number).padStart(4, '0')}`, name, kind, region, country };
  });
}

/** The fields of one CSV line; a quoted field may hold commas and doubled quotes. */
function fieldsOf(line: string): string[] {
  const fields = line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g);
  return Array.from(fields, ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '');
}
