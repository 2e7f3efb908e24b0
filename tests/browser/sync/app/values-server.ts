/**
 * The Worker of the tests on values and keys.
 * The harness bundles it and runs it in workerd.
 */
import { createServer, jwt } from 'ebbtide/server';
import { values as schema } from './schema.ts';

const server = createServer({ schema, auth: jwt({ secret: 'EBBTIDE_JWT_SECRET' }) });

export const SyncSpace = server.SyncSpace;
export default server;
