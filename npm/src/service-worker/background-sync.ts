/**
 * The listener that sends changesets when the browser says that the network is back, with or without a page.
 * It does not open the database, which a service worker cannot do. The app's service worker installs it.
 */

import { EbbtideError } from '../errors.ts';
import { deliver } from './delivery.ts';
import { EVENT_LIMIT_MS } from './limits.ts';
import { Mailbox } from './mailbox.ts';
import { databaseOf } from './names.ts';
import { leaveToPage } from './open-page.ts';
import type { BackgroundScope, BackgroundSyncEvent } from './types.ts';

/**
 * Makes a service worker send what Ebbtide's databases left for it. Call it once, while the script is first evaluated:
 * `installBackgroundSync(self)`. Sync events with tags of the app's own are left alone.
 */
export function installBackgroundSync(scope: BackgroundScope): void {
  scope.addEventListener('sync', (event: BackgroundSyncEvent) => {
    const databaseName = databaseOf(event.tag);
    if (databaseName !== undefined) event.waitUntil(sendWaiting(databaseName, event.lastChance));
  });
}

/** A rejection makes the browser try again later; on the last chance there is no later, and the page does it when it opens. */
async function sendWaiting(databaseName: string, lastChance: boolean): Promise<void> {
  const signal = AbortSignal.timeout(EVENT_LIMIT_MS);
  using mailbox = await Mailbox.open();
  const outcome = await leaveToPage(mailbox, databaseName, signal);
  if (outcome === 'closed') await deliver(mailbox, databaseName, signal);
  else if (outcome === 'still_open' && !lastChance) {
    throw new EbbtideError('left_to_page', 'a page has the database open and has not sent it yet', { retryable: true });
  }
}
