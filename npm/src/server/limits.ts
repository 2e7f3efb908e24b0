/**
 * Bounds of the server entry, with their reasons. Those of messages and tokens are in Rust.
 */

/** How long after a commit the outbox starts, so that a burst of commits is delivered in few batches. */
export const OUTBOX_DELAY_MS = 250;

/** An alarm delivers no longer than this before it lets others have a turn. */
export const OUTBOX_TURN_MS = 10_000;

/** How long `onCommit` may take for one call: a slow service answers sooner, and one that does not must not hold up the alarm. */
export const HOOK_CALL_MS = 30_000;

/** First wait after D1 or `onCommit` failed; doubled each time. */
export const OUTBOX_RETRY_FIRST_MS = 1_000;

/** Longest wait between attempts at D1, or at `onCommit`. */
export const OUTBOX_RETRY_MAX_MS = 5 * 60_000;

/** How long a page may remember the answer to a preflight: two hours is what browsers take. */
export const PREFLIGHT_SECONDS = 7_200;

/** Random bytes of a ticket; Rust checks it. */
export const TICKET_BYTES = 32;

/** How often a space that is in use drops what nobody needs any more. */
export const PRUNE_EVERY_MS = 6 * 3_600_000;
