/**
 * The list of health facilities in `data/`, as rows of parameters.
 * It knows the file's columns. The sync part inserts them.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { bench } from './paths.mjs';

/** The list as a gzip'd CSV. */
export const facilitiesFile = join(bench, 'data/facilities.csv.gz');

/** The whole list of 98,745. */
const wholeFile = join(bench, 'data/facilities-all.csv.gz');

const NUMBERS = ['lat', 'lon'];

/** The first 10,000 rows in the order of the list: empty fields are NULL, coordinates are numbers. */
export function facilities() {
  return read(facilitiesFile);
}

/** All rows. */
export function allFacilities() {
  return read(wholeFile);
}

/** Rows as the CSV that people would send instead. */
export function asCsv(rows) {
  const cell = (value) => (typeof value === 'string' && /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : (value ?? ''));
  return rows.map((row) => `${row.map(cell).join(',')}\n`).join('');
}

function read(file) {
  const text = gunzipSync(readFileSync(file)).toString('utf8');
  const [names, ...rows] = parseCsv(text);
  const cell = (value, column) => (value === '' ? null : NUMBERS.includes(names[column]) ? Number(value) : value);
  return rows.map((row) => row.map(cell));
}

/** RFC 4180: quoted fields may hold commas, doubled quotes and line ends. */
function parseCsv(text) {
  const rows = [];
  let row = [];
  for (const match of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    const [whole, quoted, plain, end] = match;
    if (whole === '' && row.length === 0) break;
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === ',') continue;
    rows.push(row);
    row = [];
  }
  return rows;
}
