/**
 * The page's side of Background Sync: asking the browser to wake the service worker for a database.
 * It does not know whether anything waits to be sent. `open()` calls it after each sealed changeset; an app may too.
 */

import { tagOf } from './names.ts';
import type { BackgroundRegistration } from './types.ts';

/**
 * Asks for a sync event for the database once there is a network. Asking again while one is pending changes nothing.
 * Answers false where the browser has no Background Sync or the user has switched it off; the database then sends when it opens next.
 */
export async function registerBackgroundSync(registration: ServiceWorkerRegistration, databaseName: string): Promise<boolean> {
  const { sync } = registration as BackgroundRegistration;
  if (!sync || !registration.active) return false;
  try {
    await sync.register(tagOf(databaseName));
    return true;
  } catch (error) {
    if (isRefusal(error)) return false;
    throw error;
  }
}

/** The same for the service worker that has this page in its scope; false where there is none. */
export async function requestBackgroundSync(databaseName: string): Promise<boolean> {
  if (typeof navigator === 'undefined' || !('serviceWorker' in navigator)) return false;
  const registration = await navigator.serviceWorker.getRegistration();
  return registration ? registerBackgroundSync(registration, databaseName) : false;
}

/** The permission is off, or the worker went away in between: both leave the sending to the page. */
function isRefusal(error: unknown): boolean {
  return error instanceof DOMException && (error.name === 'NotAllowedError' || error.name === 'InvalidStateError');
}
