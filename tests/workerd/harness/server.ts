/**
 * Runs a Worker in real workerd with a SQLite-backed Durable Object and D1 on local disk, and kills it on request.
 * It knows no protocol. Every test of this folder starts one.
 */
import { build } from 'esbuild';
import { readdirSync } from 'node:fs';
import { cp, mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { DatabaseSync, type DatabaseSyncOptions } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';

/** The secret with which tokens are signed and checked. */
export const SECRET = 'only-for-tests-only-for-tests-only-for-tests';

const WASM = fileURLToPath(new URL('../../../npm/wasm/worker/ebbtide_worker_bg.wasm', import.meta.url));
const APP = fileURLToPath(new URL('../app/worker.ts', import.meta.url));

/** Where miniflare keeps the state of the objects, and that of D1. */
const STATE = { objects: 'do', d1: 'd1' } as const;

/** How a server differs from the usual one. */
export interface ServerOptions {
  readonly entry?: string;
  readonly wasm?: string;
  readonly bindings?: Record<string, string>;
  readonly withoutD1?: boolean;
}

/** A Worker that runs, or was killed. */
export class Server implements AsyncDisposable {
  #options: ServerOptions;
  #script: string;
  readonly #wasm: Uint8Array<ArrayBuffer>;
  readonly state: string;
  #miniflare: Miniflare | undefined;
  #port = 0;

  private constructor(options: ServerOptions, script: string, wasm: Uint8Array<ArrayBuffer>, state: string) {
    this.#options = options;
    this.#script = script;
    this.#wasm = wasm;
    this.state = state;
  }

  /** Bundles a Worker's entry and starts it. */
  static async start(options: ServerOptions = {}): Promise<Server> {
    const state = await mkdtemp(join(tmpdir(), 'ebbtide-workerd-'));
    const wasm = new Uint8Array(await readFile(options.wasm ?? WASM));
    const server = new Server(options, await bundle(options.entry ?? APP), wasm, state);
    await server.restart();
    return server;
  }

  /** Where the Worker answers. */
  get origin(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Starts it again on the same state, as another version where one is named. */
  async restart(changed?: ServerOptions): Promise<void> {
    await this.#miniflare?.dispose();
    if (changed !== undefined) {
      this.#options = changed;
      this.#script = await bundle(changed.entry ?? APP);
    }
    const { bindings = { EBBTIDE_DEV: '1' }, withoutD1 = false } = this.#options;
    const options = convertV4MiniflareOptions({
      host: '127.0.0.1', port: 0, cf: false, name: 'app', modulesRoot: '/',
      modules: [
        { type: 'ESModule', path: '/worker.js', contents: this.#script },
        { type: 'CompiledWasm', path: '/ebbtide_worker_bg.wasm', contents: this.#wasm },
      ],
      compatibilityDate: '2026-11-01', bindings: { EBBTIDE_JWT_SECRET: SECRET, ...bindings },
      durableObjects: { SPACES: { className: 'SyncSpace', useSQLite: true } },
      ...(withoutD1 ? {} : { d1Databases: { DB: 'ebbtide' } }),
    });
    // The conversion does not carry the place of the state over.
    this.#miniflare = new Miniflare({ ...options, resourcePersistencePath: this.state });
    this.#port = Number((await this.#miniflare.ready).port);
  }

  /** Stops it and copies the state of its objects, or of D1, aside. `restart` starts it again. */
  async backUp(what: keyof typeof STATE): Promise<void> {
    await this.#stop();
    await cp(join(this.state, STATE[what]), join(this.state, `copy of ${what}`), { recursive: true });
  }

  /** Stops it and puts the state of its objects, or of D1, back to the copy. `restart` starts it again. */
  async setBack(what: keyof typeof STATE): Promise<void> {
    await this.#stop();
    await rm(join(this.state, STATE[what]), { recursive: true });
    await cp(join(this.state, `copy of ${what}`), join(this.state, STATE[what]), { recursive: true });
  }

  /** Rows of a D1 query. */
  async d1(sql: string, ...params: unknown[]): Promise<Record<string, unknown>[]> {
    const database = await this.#running().getD1Database('DB', 'app');
    return (await database.prepare(sql).bind(...params).all()).results as Record<string, unknown>[];
  }

  /** The first row of a query in the files of the objects, which workerd goes on writing; undefined where no space has one. */
  stored<Row>(sql: string, ...params: string[]): Row | undefined {
    return this.#inSpaces((database) => database.prepare(sql).get(...params) as Row | undefined, { readOnly: true });
  }

  /** Stops it and runs statements in the files of the spaces. `restart` starts it again. */
  async alter(sql: string): Promise<void> {
    await this.#stop();
    this.#inSpaces((database) => database.exec(sql));
  }

  /** Takes a space's object out of memory, as inactivity would; its sockets hibernate. */
  async evict(space: string): Promise<void> {
    const miniflare = this.#running() as unknown as {
      unsafeEvictDurableObject(script: string, name: string, options: object): Promise<void>;
    };
    await miniflare.unsafeEvictDurableObject('app', 'SyncSpace', { name: space, webSockets: 'hibernate' });
  }

  /** Kills workerd as a crash would. Call `restart` next: what comes up by itself has no known port. */
  async kill(): Promise<void> {
    const pids = await workerds();
    if (pids.length === 0) throw new Error('no workerd of this process is running');
    for (const pid of pids) process.kill(pid, 'SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#miniflare?.dispose();
    await rm(this.state, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Does something with the file of each space, until it answers something. */
  #inSpaces<T>(task: (database: DatabaseSync) => T | undefined, options: DatabaseSyncOptions = {}): T | undefined {
    const files = readdirSync(this.state, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.sqlite'));
    for (const file of files) {
      const database = new DatabaseSync(join(this.state, file), options);
      try {
        if (database.prepare("SELECT 1 FROM sqlite_schema WHERE name = '_ebb_author'").get() === undefined) continue;
        const found = task(database);
        if (found !== undefined) return found;
      } finally {
        database.close();
      }
    }
    return undefined;
  }

  async #stop(): Promise<void> {
    await this.#miniflare?.dispose();
    this.#miniflare = undefined;
  }

  #running(): Miniflare {
    if (this.#miniflare === undefined) throw new Error('the server is not running');
    return this.#miniflare;
  }
}

async function bundle(entry: string): Promise<string> {
  const result = await build({
    entryPoints: [entry], bundle: true, format: 'esm', target: 'es2024', write: false, logLevel: 'warning',
    external: ['cloudflare:*', '*.wasm'],
  });
  return result.outputFiles[0]?.text ?? '';
}

/** The workerd processes that this process started. */
async function workerds(): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const own = await Promise.all(pids.map(async (pid) => {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    const [, name, state, parent] = /^\d+ \((.*)\) (\S) (\d+)/.exec(stat) ?? [];
    return name === 'workerd' && state !== 'Z' && Number(parent) === process.pid ? [Number(pid)] : [];
  }));
  return own.flat();
}
