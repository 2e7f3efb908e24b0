/**
 * Whether a page has a database open, and the wait that leaves its changeset to that page.
 * It knows the lock that the database worker holds, not the page behind it. The listener calls it.
 */

import { PAGE_GRACE_MS, PAGE_POLL_MS } from './limits.ts';
import type { Mailbox } from './mailbox.ts';
import { lockOf } from './names.ts';

/** How the wait ended: the page sent the request, the page is gone (or never was), or it still holds the database. */
export type PageOutcome = 'sent' | 'closed' | 'still_open';

/** Waits, while a page has the database open, until it has sent the request; bounded by `PAGE_GRACE_MS` and the signal. */
export async function leaveToPage(mailbox: Mailbox, databaseName: string, signal: AbortSignal): Promise<PageOutcome> {
  const deadline = Date.now() + PAGE_GRACE_MS;
  while (await isOpen(databaseName)) {
    signal.throwIfAborted();
    if (!(await mailbox.outgoing(databaseName))) return 'sent';
    if (Date.now() >= deadline) return 'still_open';
    await new Promise((resolve) => setTimeout(resolve, PAGE_POLL_MS));
  }
  return 'closed';
}

async function isOpen(databaseName: string): Promise<boolean> {
  const { held = [] } = await navigator.locks.query();
  return held.some((lock) => lock.name === lockOf(databaseName));
}
