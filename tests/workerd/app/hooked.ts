/**
 * The Worker under test with `onCommit`: it notes in D1 what it was told, and fails twice for one change.
 */
import { createServer, jwt, type Committed, type ServerEnv } from '../../../npm/src/server/index.ts';
import { schema } from './schema.ts';

let refusals = 0;

const server = createServer({
  schema,
  auth: jwt({ secret: 'EBBTIDE_JWT_SECRET' }),
  onCommit: async (committed: Committed, { DB }: ServerEnv) => {
    const names = committed.changes.map(({ values }) => values['name']);
    if (names.includes('refused twice') && refusals++ < 2) throw new Error('not now');
    const { changes, ...rest } = committed;
    const told = JSON.stringify({ ...rest, count: changes.length, changes: changes.slice(0, 5) }, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
    await DB!.prepare('CREATE TABLE IF NOT EXISTS told (id INTEGER PRIMARY KEY, space TEXT, told TEXT)').run();
    await DB!.prepare('INSERT INTO told (space,told) VALUES (?,?)').bind(committed.space, told).run();
  },
});

export const SyncSpace = server.SyncSpace;
export default server;
