/**
 * The demo's Worker: the sync endpoint of its spaces. wrangler.toml names it and serves the built page beside it.
 * This is all that an app of one's own needs; tokens come from the identity provider, and locally from `/ebbtide/dev/token`.
 */

import { createServer, jwt } from 'ebbtide/server';
import { schema } from './schema.ts';

const server = createServer({ schema, auth: jwt({ secret: 'EBBTIDE_JWT_SECRET' }) });

export const SyncSpace = server.SyncSpace;
export default server;
