/**
 * Where things are: the checkout, what the bench builds, and the ignored folder for profiles, state and results.
 * It creates nothing.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The bench's own folder. */
export const bench = fileURLToPath(new URL('..', import.meta.url));

/** The root of the checkout. */
export const root = join(bench, '..');

/** What esbuild makes of `web/`. */
export const dist = join(bench, 'dist');

/** Browser profiles, workerd's state and results: all of it can be deleted. */
export const scratch = join(root, '.ebbtide/bench');
