/**
 * Loads and compiles the database engine while the worker's script is still on its way, once for all workers of a page.
 * It knows where the module is and nothing of what it does. `open.ts` calls it.
 */
import { EbbtideError } from '../errors.ts';

const compiled = new Map<string, Promise<WebAssembly.Module>>();

/** The engine at this address. A failure is not kept: the next call tries again. */
export function compileEngine(url: string): Promise<WebAssembly.Module> {
  const known = compiled.get(url);
  if (known !== undefined) return known;
  const module = load(url);
  compiled.set(url, module);
  module.catch(() => compiled.delete(url));
  return module;
}

async function load(url: string): Promise<WebAssembly.Module> {
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    // Without the right type the browser refuses to compile while it loads.
    const streams = response.headers.get('content-type')?.startsWith('application/wasm') === true;
    return await (streams ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer()));
  } catch (thrown) {
    const message = `the database engine could not be loaded from ${url}`;
    throw new EbbtideError('engine_unavailable', message, { retryable: true, cause: thrown });
  }
}
