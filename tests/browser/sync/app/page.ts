/**
 * The page of the two-device tests: opens a synced database for the test to drive through `globalThis`.
 * It decides nothing. The harness bundles it.
 */
import * as ebbtide from 'ebbtide';
import type { Database } from 'ebbtide';
import { schema, upgraded } from './schema.ts';

declare global {
  var db: Database;
  var ebbtide: typeof import('ebbtide');
  var schema: import('ebbtide/schema').SchemaDefinition;
  var openDevice: (options: { name: string; space: string; user: string; twoPhase?: 'auto' | 'always'; upgraded?: boolean }) => Promise<void>;
  var ready: boolean;
}

globalThis.openDevice = async ({ name, space, user, twoPhase = 'auto', upgraded: later = false }) => {
  const token = async () => {
    const response = await fetch(`/ebbtide/dev/token?${new URLSearchParams({ user, spaces: space })}`, { method: 'POST' });
    const { token } = (await response.json()) as { token: string };
    return token;
  };
  globalThis.db = await ebbtide.open({ name, schema: later ? upgraded : schema, sync: { url: '/ebbtide', space, token, twoPhase } });
};
Object.assign(globalThis, { ebbtide, schema });
globalThis.ready = true;
