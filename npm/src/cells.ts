/**
 * Values between JavaScript and SQLite as one block of bytes a call: crossing once beats building objects cell by cell.
 * The other end is `wasm-client/src/cells.rs`. The façade encodes parameters and decodes rows with it, in whatever thread it runs.
 */

/** What can be bound to a parameter. Booleans become 0 and 1. */
export type Parameter = null | number | bigint | string | boolean | Uint8Array | ArrayBuffer;

/** What comes back: INTEGER is a number, or a bigint outside ±2^53. */
export type Cell = null | number | bigint | string | Uint8Array;

export { decodeRows } from './cells/decode.ts';
export { encodeParameters, encodeRows } from './cells/encode.ts';
