/**
 * Shows the rest of the origin that this worker has a database open.
 * The lock goes with the worker, however it ends. The service worker looks for it before it sends by itself.
 */
import { lockOf } from '../service-worker/names.ts';

/** Holds the database's lock until the worker ends. Where the browser has no Web Locks, nobody looks for it. */
export function holdLock(databaseName: string): void {
  if (!('locks' in navigator)) return;
  const forever = new Promise<never>(() => undefined);
  navigator.locks.request(lockOf(databaseName), () => forever).catch((error: unknown) => {
    console.warn('ebbtide: the lock of the database was not granted', error);
  });
}
