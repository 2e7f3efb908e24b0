/**
 * The Worker under test with a migration that cannot run, authentication of its own, and another prefix.
 */
import { createServer } from '../../../npm/src/server/index.ts';
import { schema } from './schema.ts';

const server = createServer({
  schema: { ...schema, migrations: [...schema.migrations, "INSERT INTO household (id, code) VALUES ('x', 'c'), ('y', 'c')"] },
  prefix: '/api/sync',
  auth: (request: Request) => {
    const user = request.headers.get('X-User');
    if (user === null) throw new Error('nobody is signed in');
    return { user, spaces: { versions: 'writer' }, expiresAt: new Date(Date.now() + 60_000) };
  },
});

export const SyncSpace = server.SyncSpace;
export default server;
