/**
 * The counts and bounds of the measurements, with their reasons.
 * The parts read them; `run.mjs` may lower the rounds for a quick look.
 */

/** Interleaved rounds of the local part: an odd number, so that the median is a measured value. */
export const LOCAL_ROUNDS = 7;

/** Cold opens are short and scatter more than the loops. */
export const COLD_ROUNDS = 15;

/** Rounds of the capture part; the order of the modes rotates, so each mode is first, second, … equally often. */
export const CAPTURE_ROUNDS = 10;

/** Rows of one transaction in the capture part. */
export const CAPTURE_ROWS = 50_000;

/** Rounds of the copy of all facilities, each between two fresh devices. */
export const COPY_ROUNDS = 5;

/** Rounds of applying inside wasm, and the rows of one. */
export const APPLY_ROUNDS = 7;
export const APPLY_ROWS = 50_000;

/** Rounds of the native engine, each of all measures in turn. */
export const ENGINE_ROUNDS = 7;

/** New devices that take the whole list, each a browser of its own. */
export const ARRIVAL_ROUNDS = 5;

/** A browser that has just been started is busy with itself for so long, which is nothing of ours and nothing that a visitor waits for. */
export const BROWSER_SETTLES_MS = 3_000;

/** Rows of one transaction of the import that they take: what an app would insert at once. */
export const ARRIVAL_TRANSACTION = 10_000;

/** Single field changes from one device to the other, one after the other. */
export const FIELD_CHANGES = 60;

/** The first field changes warm up code and caches on both sides and are left out. */
export const FIELD_WARM_UP = 10;

/** A step in the browser that takes longer has failed. About twenty times what a loaded small machine takes. */
export const STEP_TIMEOUT_MS = 120_000;
