/**
 * Runs a view from a live query until the view goes away.
 * It does not know what is shown. Every view that shows rows calls it.
 */

import type { Database, Parameter } from 'ebbtide';
import { reportProblem } from './toasts.ts';

/** Calls `show` with the rows now and after each change that touches them, here or on another device. */
export function live<Row>(
  db: Database, sql: string, parameters: readonly Parameter[], signal: AbortSignal, show: (rows: readonly Row[]) => void,
): void {
  void follow(db, sql, parameters, signal, show).catch((error: unknown) => {
    if (!signal.aborted) reportProblem('These records could not be read', error);
  });
}

async function follow<Row>(
  db: Database, sql: string, parameters: readonly Parameter[], signal: AbortSignal, show: (rows: readonly Row[]) => void,
): Promise<void> {
  for await (const rows of db.watch<Row>(sql, parameters, { signal })) {
    if (signal.aborted) return;
    show(rows);
  }
}
