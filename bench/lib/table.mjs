/**
 * Plain text tables: the first column to the left, numbers to the right.
 * It knows strings only. The report prints and stores what it makes.
 */

/** The rows under their heading, in columns as wide as needed. */
export function table(heading, rows) {
  const lines = [heading, ...rows].map((line) => line.map(String));
  const widths = heading.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const padded = lines.map((line) => line.map((cell, column) => pad(cell, widths[column], column)).join('  ').trimEnd());
  return [padded[0], widths.map((width) => '-'.repeat(width)).join('  '), ...padded.slice(1)].join('\n');
}

function pad(cell, width, column) {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}

/** A whole number with separators, or three significant digits below a hundred. */
export function number(value) {
  if (value === undefined || Number.isNaN(value)) return '-';
  if (Math.abs(value) >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en-GB');
  return String(Number(value.toPrecision(3)));
}

/** A ratio with two decimals. */
export function ratio(value) {
  return `${value.toFixed(2)}×`;
}
