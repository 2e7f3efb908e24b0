/**
 * The entry `ebbtide/server`: the app's own Worker in a few lines, deployed with wrangler.
 * It puts the pieces together and knows no message. Nothing here runs when it is imported.
 */
import { EbbtideError } from '../errors.ts';
import { defineSchema } from '../schema.ts';
import type { SchemaDefinition } from '../types.ts';
import type { Authenticate } from './auth.ts';
import { handle, type FrontOptions } from './front.ts';
import type { OnCommit } from './hook.ts';
import type { ServerEnv } from './platform.ts';
import { appFunctions, type Rules } from './rules.ts';
import { spaceObjectClass, type SpaceObjectClass } from './space-object.ts';

export { EbbtideError } from '../errors.ts';
export { jwt } from './auth.ts';
export type { Authenticate, Identity, JwtOptions, Role, TokenAuthentication } from './auth.ts';
export type { ServerEnv } from './platform.ts';
export type { Committed, CommittedChange, OnCommit } from './hook.ts';
export type { MergeFunction, MergeQuestion, RowValues, Rules, ValidateFunction, Validation, Writer } from './rules.ts';
export type { SpaceObject, SpaceObjectClass } from './space-object.ts';

/** What `createServer` takes. */
export interface ServerOptions extends Rules {
  /** The schema that the app's devices open. */
  readonly schema: SchemaDefinition;
  /** Who asks: `jwt({ secret })`, or any function of request and environment. */
  readonly auth: Authenticate<never>;
  /** Told of each commit after it, in the space's order, at least once: the place for mails, webhooks and other I/O. Commits made before it is first deployed are not told. */
  readonly onCommit?: OnCommit<never>;
  /** The path under which all routes are; what `sync.url` ends with. Default `/ebbtide`. */
  readonly prefix?: string;
  /** Origins of pages that may use the server beside its own, such as `https://app.example`. `*` allows all. */
  readonly origins?: readonly string[];
}

/** An app's Worker: export it as the default, and `SyncSpace` beside it. */
export interface Server {
  /** Answers every request; under a path of an existing Worker, call it for that path. */
  fetch(request: Request, env: ServerEnv, ctx?: unknown): Promise<Response>;
  /** For a cron trigger, if the app has one. Ebbtide itself has nothing to do by the clock: a space's alarm does it. */
  scheduled(event: unknown, env: ServerEnv, ctx?: unknown): Promise<void>;
  /** Ebbtide consumes no queue; a queue bound to it is a mistake, and told so. */
  queue(batch: unknown, env: ServerEnv, ctx?: unknown): Promise<void>;
  /** The Durable Object class. */
  readonly SyncSpace: SpaceObjectClass;
}

/** Makes an app's Worker. Throws at once what is wrong with its options. */
export function createServer(options: ServerOptions): Server {
  const schema = defineSchema(options.schema);
  const functions = appFunctions(schema, options);
  const front = frontOptions(options);
  const { onCommit } = options;
  if (onCommit !== undefined && typeof onCommit !== 'function') throw new EbbtideError('server_misconfigured', 'onCommit must be a function');
  return {
    fetch: (request, env) => handle(front, request, env),
    scheduled: () => Promise.resolve(),
    queue: () => Promise.reject(new EbbtideError('server_misconfigured', 'Ebbtide consumes no queue')),
    SyncSpace: spaceObjectClass(JSON.stringify(schema), functions, onCommit),
  };
}

function frontOptions({ auth, prefix = '/ebbtide', origins = [] }: ServerOptions): FrontOptions {
  const invalid = (what: string) => new EbbtideError('server_misconfigured', what);
  if (typeof auth !== 'function') throw invalid('auth must be a function, such as jwt({ secret })');
  if (typeof prefix !== 'string' || !/^(\/[^/?#]+)*\/?$/.test(prefix)) throw invalid(`prefix must be a path, not ${String(prefix)}`);
  const isOrigin = (origin: unknown) => origin === '*' || (typeof origin === 'string' && URL.canParse(origin) && new URL(origin).origin === origin);
  if (!Array.isArray(origins) || !origins.every(isOrigin)) throw invalid('origins must be a list such as https://app.example');
  return { prefix, origins, authenticate: auth };
}
