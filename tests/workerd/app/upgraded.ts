/**
 * The Worker under test, one version later: a parent table is rebuilt under its children, and a column comes.
 */
import { createServer, jwt } from '../../../npm/src/server/index.ts';
import { upgraded } from './schema.ts';

const server = createServer({ schema: upgraded, auth: jwt({ secret: 'EBBTIDE_JWT_SECRET' }) });

export const SyncSpace = server.SyncSpace;
export default server;
