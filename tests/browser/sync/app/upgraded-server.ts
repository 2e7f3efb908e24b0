/**
 * The Worker of the two-device tests after its schema went one version on.
 * The harness bundles it and runs it in workerd, on the state of the one before.
 */
import { createServer, jwt } from 'ebbtide/server';
import { upgraded as schema } from './schema.ts';

const server = createServer({ schema, auth: jwt({ secret: 'EBBTIDE_JWT_SECRET' }) });

export const SyncSpace = server.SyncSpace;
export default server;
