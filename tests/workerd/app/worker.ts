/**
 * The Worker under test: what an app would deploy, plus one origin besides its own.
 */
import { createServer, jwt } from '../../../npm/src/server/index.ts';
import { schema } from './schema.ts';

const server = createServer({ schema, auth: jwt({ secret: 'EBBTIDE_JWT_SECRET' }), origins: ['https://field.example'] });

export const SyncSpace = server.SyncSpace;
export default server;
