/**
 * The demo's Worker: the sync endpoint of its spaces. wrangler.toml names it and serves the built page beside it.
 * This is all that an app of one's own needs; tokens come from the identity provider, and locally from `/ebbtide/dev/token`.
 */

import { createServer, jwt } from 'ebbtide/server';
import { MOST_DOSES, schema } from './schema.ts';

const server = createServer({
  schema,
  auth: jwt({ secret: 'EBBTIDE_JWT_SECRET' }),
  validate: {
    visit: ({ doses }) => {
      if (Number(doses) > MOST_DOSES) throw new Error(`A visit has ${MOST_DOSES} doses at most.`);
    },
  },
});

export const SyncSpace = server.SyncSpace;
export default server;
