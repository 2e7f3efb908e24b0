/**
 * The Worker of the sync part, written as an app would write it. The harness of the browser tests runs it in workerd.
 */
import { createServer, jwt } from 'ebbtide/server';
import { schema } from './schema.ts';

const server = createServer({ schema, auth: jwt({ secret: 'EBBTIDE_JWT_SECRET' }) });

export const SyncSpace = server.SyncSpace;
export default server;
