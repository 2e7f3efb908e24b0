/**
 * The package's main entry: a SQLite database in the page's origin, kept in step where asked.
 * Importing it is safe anywhere; only `open` needs a browser.
 */
export { open } from './client/open.ts';
export { EbbtideError } from './errors.ts';
export type * from './types.ts';
