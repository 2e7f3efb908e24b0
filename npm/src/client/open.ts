/**
 * `open`: checks the options, starts the worker, answers the database.
 * It is the only module that knows where worker and wasm lie; importing it touches nothing of a browser.
 */
import { EbbtideError } from '../errors.ts';
import type { OpenRequest } from '../rpc.ts';
import type { Database, OpenOptions, SyncOptions } from '../types.ts';
import { Connection, type Notice } from './connection.ts';
import { compileEngine } from './engine.ts';
import { WorkerDatabase } from './database.ts';
import { answerConfirm } from './plan.ts';
import { Resolver } from './resolver.ts';
import { isStartChoice, PageSync } from './sync.ts';
import { answerToken } from './token.ts';

/** Opens a database of this origin, creating it where it does not exist. */
export async function open(options: OpenOptions): Promise<Database> {
  requireBrowser();
  const request = openRequest(options);
  const engineUrl = wasmUrl(options.wasmUrl);
  const resolver = options.resolve === undefined ? undefined : new Resolver(options.resolve);
  const connection: Connection = new Connection({
    startWorker() {
      // Both load at the same time; whoever waits for the engine meets its failure.
      compileEngine(engineUrl).catch(() => undefined);
      return startWorker(options.workerUrl);
    },
    async openRequest() {
      const engine = await compileEngine(engineUrl);
      const chosen = request.sync === undefined ? {} : { sync: { ...request.sync, start: sync.startChoice ?? request.sync.start } };
      return { ...request, ...chosen, engine, online: navigator.onLine, paused: sync.isPaused };
    },
    opened: (status) => {
      sync.update(status);
      // It may have changed while the database was opened.
      connection.tell({ kind: 'online', online: navigator.onLine });
    },
    notice: (notice) => {
      if (notice.kind === 'conflict' && notice.open.length > 0) resolver?.look();
      void receive(notice, sync, connection, options);
    },
  });
  const sync = new PageSync(connection, request.name, request.sync === undefined);
  await connection.start();
  const source = request.sync === undefined ? undefined : { url: request.sync.url, space: request.sync.space, token: options.sync!.token };
  const database = new WorkerDatabase(connection, request.name, sync, source);
  resolver?.start(database.conflicts);
  return database;
}

async function receive(notice: Notice, sync: PageSync, connection: Connection, options: OpenOptions): Promise<void> {
  switch (notice.kind) {
    case 'wantToken':
      return connection.tell(await answerToken(notice.id, options.sync!.token));
    case 'wantConfirm':
      return connection.tell(await answerConfirm(notice.plan, options.sync!.confirm!));
    default:
      return sync.receive(notice);
  }
}

function requireBrowser(): void {
  if (typeof Worker === 'function' && typeof addEventListener === 'function') return;
  throw new EbbtideError('not_a_browser', 'open() works in a browser page; on a server only import the module');
}

/** The literal URLs are what bundlers look for. */
function startWorker(url: string | URL | undefined): Worker {
  if (url !== undefined) return new Worker(resolved(url, 'workerUrl'), { type: 'module', name: 'ebbtide' });
  return new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'ebbtide' });
}

function wasmUrl(url: string | URL | undefined): string {
  if (url !== undefined) return resolved(url, 'wasmUrl');
  return new URL('./ebbtide_client_bg.wasm', import.meta.url).href;
}

function openRequest(options: OpenOptions): Omit<OpenRequest, 'engine' | 'online' | 'paused'> {
  if (typeof options !== 'object' || options === null) throw badOption('it takes an object with `name` and `schema`');
  const { name, schema, storage = 'opfs', durability = 'full' } = options;
  if (typeof name !== 'string') throw badOption('`name` must be a string');
  if (typeof schema !== 'object' || schema === null) throw badOption('`schema` must come from defineSchema()');
  if (storage !== 'opfs' && storage !== 'memory') throw badOption("`storage` is 'opfs' or 'memory'");
  if (durability !== 'full' && durability !== 'relaxed') throw badOption("`durability` is 'full' or 'relaxed'");
  if (options.resolve !== undefined && typeof options.resolve !== 'function') throw badOption('`resolve` must be a function');
  const sync = options.sync === undefined ? {} : { sync: syncRequest(options.sync) };
  // `schema` may be frozen and carry more than the engine reads.
  const { migrations, tables } = schema;
  return { name, schema: { migrations, tables }, storage, durability, ...sync };
}

function syncRequest(sync: SyncOptions): NonNullable<OpenRequest['sync']> {
  if (typeof sync !== 'object' || sync === null) throw badOption('`sync` is an object with url, space and token');
  const { url, space, token, twoPhase = 'auto', confirm, start = 'seed' } = sync;
  if (typeof space !== 'string' || space === '') throw badOption('`sync.space` must be the name of a space');
  if (typeof token !== 'function') throw badOption('`sync.token` must be a function that answers a token');
  if (twoPhase !== 'auto' && twoPhase !== 'always') throw badOption("`sync.twoPhase` is 'auto' or 'always'");
  if (confirm !== undefined && typeof confirm !== 'function') throw badOption('`sync.confirm` must be a function that answers yes or no');
  if (!isStartChoice(start)) throw badOption("`sync.start` is 'seed', 'merge' or 'take'");
  return { url: serverUrl(url), space, twoPhase, confirm: confirm !== undefined, start };
}

/** The worker's own address may be another origin's, so a relative URL is resolved here. */
function serverUrl(url: string | URL): string {
  const parsed = URL.parse(url, document.baseURI);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) throw badOption('`sync.url` must be an http(s) URL');
  return parsed.origin + parsed.pathname.replace(/\/+$/, '');
}

function resolved(url: string | URL, option: string): string {
  const parsed = URL.parse(url, document.baseURI);
  if (parsed === null) throw badOption(`\`${option}\` is no URL`);
  return parsed.href;
}

function badOption(what: string): EbbtideError {
  return new EbbtideError('bad_option', `open(): ${what}`);
}
