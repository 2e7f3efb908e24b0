/**
 * Runs an app's Worker in real workerd with a SQLite-backed Durable Object, D1 and static files, all on local disk.
 * It can be killed without warning and started again on the same state. The tests that need a server start here.
 */
import { build } from 'esbuild';
import { cp, mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { until } from './until.ts';

/** The secret with which the local Worker signs and checks tokens. */
const VARIABLES = { EBBTIDE_DEV: '1', EBBTIDE_JWT_SECRET: 'only-for-tests-only-for-tests-only-for-tests' };
const COMPATIBILITY_DATE = '2026-11-01';

/** A compiled module of a Worker. */
interface Module {
  readonly type: 'ESModule' | 'CompiledWasm';
  readonly path: string;
  readonly contents: string | Uint8Array<ArrayBuffer>;
}

/** A Worker that runs, or was killed. */
export class LocalWorker implements AsyncDisposable {
  #modules: Module[];
  readonly #assets: string;
  readonly #state: string;
  #miniflare: Miniflare | undefined;
  #port = 0;

  private constructor(modules: Module[], assets: string, state: string) {
    this.#modules = modules;
    this.#assets = assets;
    this.#state = state;
  }

  /** Bundles the Worker's entry and starts it beside a folder of static files. */
  static async start(entry: string, assets: string): Promise<LocalWorker> {
    const state = await mkdtemp(join(tmpdir(), 'ebbtide-worker-'));
    const worker = new LocalWorker(await bundle(entry), assets, state);
    await worker.restart();
    return worker;
  }

  get port(): number {
    return this.#port;
  }

  /** Starts it again on the same state, on another port. */
  async restart(): Promise<void> {
    await this.#miniflare?.dispose();
    const options = convertV4MiniflareOptions({
      host: '127.0.0.1', port: 0, cf: false,
      name: 'app', modules: this.#modules, modulesRoot: '/', compatibilityDate: COMPATIBILITY_DATE, bindings: VARIABLES,
      durableObjects: { SPACES: { className: 'SyncSpace', useSQLite: true } }, d1Databases: { DB: 'ebbtide' },
      assets: { directory: this.#assets, routerConfig: { has_user_worker: true, static_routing: { user_worker: ['/ebbtide/*'] } } },
    });
    // Without this path the state lies in a temporary folder that goes with the process.
    this.#miniflare = new Miniflare({ ...options, resourcePersistencePath: this.#state });
    this.#port = Number((await this.#miniflare.ready).port);
  }

  /** Starts another Worker on the same state, on another port, as a deployment does. */
  async deploy(entry: string): Promise<void> {
    this.#modules = await bundle(entry);
    await this.restart();
  }

  /** Stops, and copies all that it has stored; answers the folder of the copy. `restart` is next. */
  async backUp(): Promise<string> {
    await this.#stop();
    const copy = await mkdtemp(join(tmpdir(), 'ebbtide-worker-'));
    await cp(this.#state, copy, { recursive: true });
    return copy;
  }

  /** Stops, and puts a copy in the place of all that it has stored. `restart` is next. */
  async putBack(copy: string): Promise<void> {
    await this.#stop();
    await rm(this.#state, { recursive: true, force: true, maxRetries: 5 });
    await cp(copy, this.#state, { recursive: true });
  }

  async #stop(): Promise<void> {
    await this.#miniflare?.dispose();
    this.#miniflare = undefined;
    await until('workerd is gone', async () => (await childrenNamed('workerd')).length === 0);
  }

  /** Kills workerd as a crash would, in the middle of whatever it does. Nothing runs until `restart`. */
  async kill(): Promise<void> {
    const killed = await childrenNamed('workerd');
    if (killed.length === 0) throw new Error('no workerd of this process is running');
    for (const pid of killed) process.kill(pid, 'SIGKILL');
    // Miniflare would start another one by itself, and two processes on one state are no crash but a mistake of the test.
    await this.#miniflare?.dispose();
    this.#miniflare = undefined;
    await until('workerd is gone', async () => (await childrenNamed('workerd')).length === 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#miniflare?.dispose();
    await rm(this.#state, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** One bundle, with the wasm modules that it imports beside it. */
async function bundle(entry: string): Promise<Module[]> {
  const wasm = new Map<string, string>();
  const result = await build({
    entryPoints: [entry], bundle: true, format: 'esm', target: 'es2024', write: false, logLevel: 'warning',
    external: ['cloudflare:*', 'node:*'], conditions: ['workerd', 'worker'],
    plugins: [{
      name: 'wasm-modules',
      setup: ({ onResolve }) => onResolve({ filter: /\.wasm$/ }, ({ path, resolveDir }) => {
        const file = path.startsWith('.') ? join(resolveDir, path) : fileURLToPath(import.meta.resolve(path));
        wasm.set(basename(file), file);
        return { path: `./${basename(file)}`, external: true };
      }),
    }],
  });
  const script: Module = { type: 'ESModule', path: '/worker.js', contents: result.outputFiles[0]!.text };
  const modules = [...wasm].map(async ([name, file]): Promise<Module> =>
    ({ type: 'CompiledWasm', path: `/${name}`, contents: new Uint8Array(await readFile(file)) }));
  return [script, ...(await Promise.all(modules))];
}

/** Processes that this one started, by program name; workerd is a direct child. */
async function childrenNamed(program: string): Promise<number[]> {
  const entries = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(entries.map(async (pid) => {
    const stat = await readFile(join('/proc', pid, 'stat'), 'utf8').catch(() => '');
    const [, name, state, parent] = /^\d+ \((.*)\) (\S) (\d+)/.exec(stat) ?? [];
    return name === program && state !== 'Z' && Number(parent) === process.pid ? Number(pid) : undefined;
  }));
  return found.filter((pid) => pid !== undefined);
}
