/**
 * A Worker that runs the store's contract inside a Durable Object: each case in an object, and thus a database, of its own.
 * It uses the contract build of the Rust module, which is never shipped.
 */
import { DurableObject } from 'cloudflare:workers';
// @ts-ignore Built for tests only: the type check may run without it.
import * as engine from '../../../.ebbtide/contract/worker/ebbtide_worker.js';
import wasm from './ebbtide_worker_bg.wasm';

engine.initSync({ module: wasm });

interface Env {
  readonly SPACES: { idFromName(name: string): unknown; get(id: unknown): { fetch(request: Request): Promise<Response> } };
}

export class SyncSpace extends DurableObject {
  readonly #storage: unknown;

  constructor(ctx: { readonly storage: unknown }, env: unknown) {
    super(ctx, env);
    this.#storage = ctx.storage;
  }

  async fetch(request: Request): Promise<Response> {
    try {
      engine.runContractCase(new URL(request.url).pathname.slice(1), this.#storage);
      return new Response('kept');
    } catch (thrown) {
      return new Response(String(thrown instanceof Error ? thrown.stack : thrown), { status: 500 });
    }
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const name = new URL(request.url).pathname.slice(1);
    if (name === '') return Response.json(engine.contractCases());
    return env.SPACES.get(env.SPACES.idFromName(name)).fetch(request);
  },
};
