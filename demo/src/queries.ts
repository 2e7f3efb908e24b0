/**
 * All SQL of the demo: what the views watch and what they write.
 * It does not know elements. Writes touch only the fields that changed, so that two people can edit one record at once.
 */

import type { Database } from 'ebbtide';

export interface HouseholdLine {
  readonly id: string;
  readonly name: string;
  readonly village: string;
  readonly members: number;
  readonly doses: number;
  readonly last_visit: string | null;
}
export interface Household {
  readonly id: string;
  readonly name: string;
  readonly village: string;
  readonly directions: string;
  readonly facility: string | null;
}
export interface HouseholdWithFacility extends Household {
  readonly facility_name: string | null;
  readonly facility_region: string | null;
}
export interface Member {
  readonly id: string;
  readonly name: string;
  readonly birth_year: number | null;
}
export interface Visit {
  readonly id: string;
  readonly visited_on: string;
  readonly visitor: string;
  readonly doses: number;
  readonly notes: string;
}
export interface Totals {
  readonly households: number;
  readonly members: number;
  readonly visits: number;
  readonly doses: number;
}

export const HOUSEHOLDS = `
  SELECT h.id, h.name, h.village,
         (SELECT count(*) FROM member m WHERE m.household = h.id) AS members,
         (SELECT coalesce(sum(v.doses), 0) FROM visit v WHERE v.household = h.id) AS doses,
         (SELECT max(v.visited_on) FROM visit v WHERE v.household = h.id) AS last_visit
    FROM household h
   WHERE instr(lower(h.name || ' ' || h.village), lower(?)) > 0
   ORDER BY h.name COLLATE NOCASE, h.id`;

export const TOTALS = `
  SELECT (SELECT count(*) FROM household) AS households, (SELECT count(*) FROM member) AS members,
         (SELECT count(*) FROM visit) AS visits, (SELECT coalesce(sum(doses), 0) FROM visit) AS doses`;

export const HOUSEHOLD = `
  SELECT h.id, h.name, h.village, h.directions, h.facility, f.name AS facility_name, f.region AS facility_region
    FROM household h LEFT JOIN facility f ON f.code = h.facility
   WHERE h.id = ?`;

export const MEMBERS = 'SELECT id, name, birth_year FROM member WHERE household = ? ORDER BY birth_year IS NULL, birth_year, id';

export const VISITS = 'SELECT id, visited_on, visitor, doses, notes FROM visit WHERE household = ? ORDER BY visited_on DESC, id DESC';

/** The fields that a person fills in; `undefined` in a change means "not touched". */
export type HouseholdFields = Omit<Household, 'id'>;

/** Adds a household and answers its id. */
export async function addHousehold(db: Database, fields: HouseholdFields): Promise<string> {
  const sql = 'INSERT INTO household (name, village, directions, facility) VALUES (?, ?, ?, ?) RETURNING id';
  const [row] = await db.query<{ id: string }>(sql, [fields.name, fields.village, fields.directions, fields.facility]);
  if (!row) throw new Error('the insert returned no row');
  return row.id;
}

/** Writes the fields that differ from what the form was opened with, and no others. */
export async function changeHousehold(db: Database, id: string, before: HouseholdFields, after: HouseholdFields): Promise<void> {
  const columns = ['name', 'village', 'directions', 'facility'] as const;
  const changed = columns.filter((column) => before[column] !== after[column]);
  if (changed.length === 0) return;
  const assignments = changed.map((column) => `${column} = ?`).join(', ');
  await db.exec(`UPDATE household SET ${assignments} WHERE id = ?`, [...changed.map((column) => after[column]), id]);
}

/** Removes a household with its members and visits. */
export async function removeHousehold(db: Database, id: string): Promise<void> {
  await db.exec('DELETE FROM household WHERE id = ?', [id]);
}

export async function addMember(db: Database, household: string, name: string, birthYear: number | null): Promise<void> {
  await db.exec('INSERT INTO member (household, name, birth_year) VALUES (?, ?, ?)', [household, name, birthYear]);
}

export async function removeMember(db: Database, id: string): Promise<void> {
  await db.exec('DELETE FROM member WHERE id = ?', [id]);
}

export async function addVisit(db: Database, household: string, visit: Omit<Visit, 'id'>): Promise<void> {
  const sql = 'INSERT INTO visit (household, visited_on, visitor, doses, notes) VALUES (?, ?, ?, ?, ?)';
  await db.exec(sql, [household, visit.visited_on, visit.visitor, visit.doses, visit.notes]);
}

export async function setDoses(db: Database, id: string, doses: number): Promise<void> {
  await db.exec('UPDATE visit SET doses = ? WHERE id = ?', [doses, id]);
}

export async function setNotes(db: Database, id: string, notes: string): Promise<void> {
  await db.exec('UPDATE visit SET notes = ? WHERE id = ?', [notes, id]);
}

export async function removeVisit(db: Database, id: string): Promise<void> {
  await db.exec('DELETE FROM visit WHERE id = ?', [id]);
}
