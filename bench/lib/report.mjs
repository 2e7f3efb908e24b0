/**
 * Collects what the parts measured: tables for people, figures for machines, bars with their verdicts.
 * It prints as it goes and writes everything to the ignored folder `.ebbtide/bench` at the end. `run.mjs` makes one.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { number, table } from './table.mjs';

export class Report {
  #lines = [];
  #figures = {};
  #bars = [];

  /** Prints a line and keeps it. */
  say(text = '') {
    console.log(text);
    this.#lines.push(text);
  }

  /** A heading and a table below it. */
  table(title, heading, rows) {
    this.say(`\n${title}\n`);
    this.say(table(heading, rows));
  }

  /** Keeps raw figures under a name, for the results file. */
  figures(name, value) {
    this.#figures[name] = value;
  }

  /** A bar that must not be exceeded. */
  atMost(name, value, limit, unit = '') {
    this.#bars.push({ name, value, bar: `≤ ${number(limit)} ${unit}`.trim(), reached: value <= limit });
  }

  /** A bar that must be reached. */
  atLeast(name, value, limit, unit = '') {
    this.#bars.push({ name, value, bar: `≥ ${number(limit)} ${unit}`.trim(), reached: value >= limit });
  }

  /** Prints the bars and writes the files; answers whether all bars were reached. */
  finish(folder, machine) {
    if (this.#bars.length > 0) {
      const rows = this.#bars.map(({ name, value, bar, reached }) => [name, number(value), bar, reached ? 'reached' : 'MISSED']);
      this.table('Bars', ['', 'measured', 'bar', ''], rows);
    }
    mkdirSync(folder, { recursive: true });
    const name = `results-${new Date().toISOString().replaceAll(':', '-').slice(0, 19)}`;
    writeFileSync(join(folder, `${name}.txt`), `${this.#lines.join('\n')}\n`);
    writeFileSync(join(folder, `${name}.json`), JSON.stringify({ machine, figures: this.#figures, bars: this.#bars }, null, 1));
    this.say(`\nwritten to ${name}.txt and .json in .ebbtide/bench`);
    return this.#bars.every((bar) => bar.reached);
  }
}
