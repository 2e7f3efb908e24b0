/**
 * The table of cells: a tag byte for each kind of value, then its bytes, little-endian.
 * `wasm-client/src/cells.rs` follows the same table. `encode.ts` and `decode.ts` use it.
 */

export const NULL = 0;
/** A 64-bit integer. */
export const INTEGER = 1;
/** A double. */
export const REAL = 2;
/** Parameters: length in bytes, then UTF-8. Results: length in UTF-16 units; the text is in a run of its own at the end. */
export const TEXT = 3;
/** Length, then the bytes. */
export const BLOB = 4;
/** A 32-bit integer. */
export const SMALL = 5;

/** Parameters begin with the number of rows and of values in each. */
export const PARAMETERS_HEADER_BYTES = 8;
/** Results begin with the number of columns, of rows, and of bytes of text. */
export const RESULT_HEADER_BYTES = 12;
