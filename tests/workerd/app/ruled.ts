/**
 * The Worker under test with functions of its own: doses that met are added up, and some visits may not be written.
 */
import { createServer, jwt } from '../../../npm/src/server/index.ts';
import { ruled as schema } from './schema.ts';

const server = createServer({
  schema,
  auth: jwt({ secret: 'EBBTIDE_JWT_SECRET' }),
  merge: {
    visit: {
      doses: ({ row, mine, theirs, identity }) => {
        switch (mine) {
          case 13: throw new Error(`no ${String(mine)} for ${identity.user}`);
          case 14: return Promise.resolve(1) as never;
          case 15: return undefined as never;
          case 16: return 'sixteen';
          case 17: return 2n ** 60n;
          default: return Number(mine) + Number(theirs) + String(row['notes']).length;
        }
      },
    },
  },
  validate: {
    visit: (row, { before, identity }) => {
      if (row['notes'] === 'forbidden') throw new Error(`${identity.user} may not turn ${String(before?.['notes'])} into that`);
      if (row['notes'] === 'slow') return Promise.reject(new Error('never seen')) as never;
    },
  },
});

export const SyncSpace = server.SyncSpace;
export default server;
