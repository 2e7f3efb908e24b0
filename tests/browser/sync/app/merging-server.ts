/**
 * The Worker of the tests on strategies: scores that met become their product.
 * The harness bundles it and runs it in workerd.
 */
import { createServer, jwt } from 'ebbtide/server';
import { merging as schema } from './schema.ts';

const server = createServer({
  schema,
  auth: jwt({ secret: 'EBBTIDE_JWT_SECRET' }),
  merge: { visit: { score: ({ mine, theirs }) => Number(mine) * Number(theirs) } },
});

export const SyncSpace = server.SyncSpace;
export default server;
