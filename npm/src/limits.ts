/**
 * Bounds of the TypeScript side, with their reasons.
 * Those of the engine are in Rust; nothing here changes what is stored.
 */

/** An app transaction in which nothing happens for so long is rolled back: everything else waits behind it. */
export const TRANSACTION_IDLE_MS = 5_000;

/** Calls that may wait behind a transaction at once; more means that nobody awaits them. */
export const CALLS_WAITING = 10_000;

/** Live queries of one database: each runs again when its tables change. */
export const WATCHES = 1_000;

/** A result below this size is copied between threads; moving a buffer costs more than copying so little. */
export const COPY_BELOW_BYTES = 4 * 1024;

/** A worker that crashes more often than this within a minute is not started again by itself. */
export const CRASHES_PER_MINUTE = 5;

/** A worker whose script has not begun to run after so long is given up: it is blocked, or its server hangs. */
export const WORKER_START_MS = 30_000;
