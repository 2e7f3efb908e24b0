/**
 * Starts the wasm client inside the worker.
 * The page has compiled the module; what it does is not known here. `session.ts` calls it once.
 */
import init, { Client } from '../../wasm/client/ebbtide_client.js';
import { EbbtideError } from '../errors.ts';

export type { Client };

/** Instantiates the module; answers the class that opens databases. */
export async function startEngine(engine: WebAssembly.Module): Promise<typeof Client> {
  try {
    await init({ module_or_path: engine });
  } catch (thrown) {
    const message = 'the database engine does not fit its script; serve `worker.js` and the wasm of one version';
    throw new EbbtideError('engine_unavailable', message, { retryable: true, cause: thrown });
  }
  return Client;
}
