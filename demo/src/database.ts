/**
 * Opens the device's database and connects it to its space.
 * It does not know what is on the screen. The page's start calls it.
 */

import { open, type Database } from 'ebbtide';
import { schema } from '../schema.ts';
import type { Device } from './device.ts';
import { developmentToken } from './token.ts';

/** Rejects with an `EbbtideError`, for instance `database_in_use` in a second tab. */
export function openDatabase(device: Device): Promise<Database> {
  return open({
    name: device.databaseName,
    schema,
    workerUrl: new URL('/ebbtide-worker.js', location.origin),
    wasmUrl: new URL('/ebbtide.wasm', location.origin),
    sync: {
      url: new URL('/ebbtide', location.origin).href,
      space: device.space,
      token: () => developmentToken(device),
    },
  });
}
