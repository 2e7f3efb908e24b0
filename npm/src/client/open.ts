/**
 * `open`: checks the options, starts the worker, answers the database.
 * It is the only module that knows where worker and wasm lie; importing it touches nothing of a browser.
 */
import { EbbtideError } from '../errors.ts';
import type { OpenRequest } from '../rpc.ts';
import type { OpenOptions } from '../types.ts';
import { Connection } from './connection.ts';
import { WorkerDatabase } from './database.ts';

/** Opens a database of this origin, creating it where it does not exist. */
export async function open(options: OpenOptions): Promise<WorkerDatabase> {
  requireBrowser();
  const request = openRequest(options);
  const connection = new Connection({
    startWorker: () => startWorker(options.workerUrl),
    openRequest: () => request,
    notice: () => undefined,
  });
  await connection.start();
  return new WorkerDatabase(connection, options.name);
}

function requireBrowser(): void {
  if (typeof Worker === 'function' && typeof addEventListener === 'function') return;
  throw new EbbtideError('not_a_browser', 'open() works in a browser page; on a server only import the module');
}

/** The literal URLs are what bundlers look for. */
function startWorker(url: string | URL | undefined): Worker {
  if (url !== undefined) return new Worker(url, { type: 'module', name: 'ebbtide' });
  return new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'ebbtide' });
}

function wasmUrl(url: string | URL | undefined): string {
  if (url !== undefined) return new URL(url, document.baseURI).href;
  return new URL('./ebbtide_client_bg.wasm', import.meta.url).href;
}

function openRequest(options: OpenOptions): OpenRequest {
  if (typeof options !== 'object' || options === null) throw badOption('it takes an object with `name` and `schema`');
  const { name, schema, storage = 'opfs', durability = 'full' } = options;
  if (typeof name !== 'string') throw badOption('`name` must be a string');
  if (typeof schema !== 'object' || schema === null) throw badOption('`schema` must come from defineSchema()');
  if (storage !== 'opfs' && storage !== 'memory') throw badOption("`storage` is 'opfs' or 'memory'");
  if (durability !== 'full' && durability !== 'relaxed') throw badOption("`durability` is 'full' or 'relaxed'");
  return { name, schema, storage, durability, wasmUrl: wasmUrl(options.wasmUrl), online: navigator.onLine };
}

function badOption(what: string): EbbtideError {
  return new EbbtideError('bad_option', `open(): ${what}`);
}
