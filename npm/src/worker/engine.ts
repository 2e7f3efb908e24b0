/**
 * Starts the wasm client inside the worker.
 * It knows where the module is and nothing of what it does. `session.ts` calls it once.
 */
import init, { Client } from '../../wasm/client/ebbtide_client.js';
import { EbbtideError } from '../errors.ts';

export type { Client };

/** Loads and compiles the module; answers the class that opens databases. */
export async function startEngine(wasmUrl: string): Promise<typeof Client> {
  try {
    await init({ module_or_path: wasmUrl });
  } catch (thrown) {
    const message = `the database engine could not be loaded from ${wasmUrl}`;
    throw new EbbtideError('engine_unavailable', message, { retryable: true, cause: thrown });
  }
  return Client;
}
