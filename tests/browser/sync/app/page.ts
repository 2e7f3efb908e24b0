/**
 * The page of the two-device tests: opens a synced database for the test to drive through `globalThis`.
 * It decides nothing. The harness bundles it.
 */
import * as ebbtide from 'ebbtide';
import type { Database } from 'ebbtide';
import { schema, schemas } from './schema.ts';

declare global {
  var db: Database;
  var ebbtide: typeof import('ebbtide');
  var schema: import('ebbtide/schema').SchemaDefinition;
  var openDevice: (options: { name: string; space: string; user: string; twoPhase?: 'auto' | 'always'; app?: keyof typeof import('./schema.ts').schemas }) => Promise<void>;
  /** Set before `openDevice`: the app's resolver. */
  var resolver: import('ebbtide').OpenOptions['resolve'];
  var ready: boolean;
}

globalThis.openDevice = async ({ name, space, user, twoPhase = 'auto', app = 'plain' }) => {
  const token = async () => {
    const response = await fetch(`/ebbtide/dev/token?${new URLSearchParams({ user, spaces: space })}`, { method: 'POST' });
    const { token } = (await response.json()) as { token: string };
    return token;
  };
  globalThis.db = await ebbtide.open({ name, schema: schemas[app], ...(globalThis.resolver === undefined ? {} : { resolve: globalThis.resolver }), sync: { url: '/ebbtide', space, token, twoPhase } });
};
Object.assign(globalThis, { ebbtide, schema });
globalThis.ready = true;
