/**
 * Modules that only exist where the package runs: the wasm file beside the bundle, and what Cloudflare's runtime offers.
 * It declares the little that is used, so that the package needs no types of the platform.
 */
declare module '*.wasm' {
  const module: WebAssembly.Module;
  export default module;
}

declare module 'cloudflare:workers' {
  export class DurableObject {
    constructor(ctx: unknown, env: unknown);
  }
}
