/**
 * The names that page, database worker and service worker share: the mailbox in IndexedDB, the tags of sync events, the lock.
 * It does not know what is stored under them. The mailbox, the listener and `open()` read them.
 */

/** The IndexedDB database between the database worker and the service worker. */
export const MAILBOX = 'ebbtide';
export const MAILBOX_VERSION = 1;

/** Object store of ready-made requests, by database name. The database worker writes, the service worker deletes. */
export const OUTBOX = 'outbox';

/** Object store of the server's replies, by database name. The service worker writes, the database worker deletes. */
export const INBOX = 'inbox';

const TAG_PREFIX = 'ebbtide:';

/** The tag under which Background Sync runs for a database. */
export function tagOf(databaseName: string): string {
  return TAG_PREFIX + databaseName;
}

/** The database that a tag is for; undefined for the app's own tags. */
export function databaseOf(tag: string): string | undefined {
  return tag.startsWith(TAG_PREFIX) && tag.length > TAG_PREFIX.length ? tag.slice(TAG_PREFIX.length) : undefined;
}

/** The Web Lock that the worker which owns a database's files holds. */
export function lockOf(databaseName: string): string {
  return `ebbtide:${databaseName}`;
}
