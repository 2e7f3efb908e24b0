/**
 * The bounds of what a service worker does for Ebbtide, each with its reason.
 * It holds numbers only; the other files of this folder read them.
 */

/** One sync event, all waiting included. Chromium ends an event after three minutes; ours ends itself before that. */
export const EVENT_LIMIT_MS = 150_000;

/** How long an event leaves a changeset to an open page, which has the better connection: a socket with the live stream. */
export const PAGE_GRACE_MS = 20_000;

/** How often the event looks whether the page has sent it. */
export const PAGE_POLL_MS = 250;

/** Bytes of one ready-made request. The database mirrors small changesets only; more than this is not its work. */
export const MAX_REQUEST_BYTES = 4 * 1024 * 1024;

/** Bytes of one reply: receipts and at most a few pages of commits. A longer one is left to the database's own sync. */
export const MAX_REPLY_BYTES = 8 * 1024 * 1024;

/** How long opening or using IndexedDB may take. A page that blocks an upgrade must not hold the event for ever. */
export const STORAGE_LIMIT_MS = 10_000;
