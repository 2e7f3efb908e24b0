/**
 * A Worker that runs the store's contract inside a Durable Object: each case in an object, and thus a database, of its own.
 * It also counts the rows that a message writes, which is what the platform bills.
 * It uses the contract build of the Rust module, which is never shipped.
 */
import { DurableObject } from 'cloudflare:workers';
// @ts-ignore Built for tests only: the type check may run without it.
import * as engine from '../../../.ebbtide/contract/worker/ebbtide_worker.js';
import wasm from './ebbtide_worker_bg.wasm';
import { appFunctions } from '../../../npm/src/server/rules.ts';
import { schema } from './schema.ts';

engine.initSync({ module: wasm });

interface Env {
  readonly SPACES: { idFromName(name: string): unknown; get(id: unknown): { fetch(request: Request): Promise<Response> } };
}

export class SyncSpace extends DurableObject {
  readonly #storage: unknown;
  #space: any;

  constructor(ctx: { readonly storage: unknown }, env: unknown) {
    super(ctx, env);
    this.#storage = ctx.storage;
  }

  async fetch(request: Request): Promise<Response> {
    try {
      if (request.method === 'POST') return Response.json(this.#count(new Uint8Array(await request.arrayBuffer())));
      engine.runContractCase(new URL(request.url).pathname.slice(1), this.#storage);
      return new Response('kept');
    } catch (thrown) {
      return new Response(String(thrown instanceof Error ? thrown.stack : thrown), { status: 500 });
    }
  }

  /** Answers a message and says how many rows that wrote. */
  #count(body: Uint8Array): { rowsWritten: number } {
    if (this.#space === undefined) {
      this.#space = new engine.Space(this.#storage, JSON.stringify(schema), appFunctions(schema, {}));
      for (const index of this.#space.pendingMigrations()) this.#space.migrate(index);
      this.#space.load(Date.now());
      this.#space.open('counted');
    }
    const access = JSON.stringify({ user: 'ada', space: 'counted', may_write: true, expires_at: Date.now() + 60_000 });
    const before = this.#space.rowsWritten;
    const { committed } = this.#space.sync(access, undefined, body, Date.now());
    if (!committed) throw new Error('nothing was committed');
    return { rowsWritten: this.#space.rowsWritten - before };
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const name = new URL(request.url).pathname.slice(1);
    if (name === '') return Response.json(engine.contractCases());
    return env.SPACES.get(env.SPACES.idFromName(name)).fetch(request);
  },
};
