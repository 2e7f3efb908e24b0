/**
 * What the server entry uses of Cloudflare's platform, as structural types.
 * An app's own types from `wrangler types` fit them; nothing here is implemented by Ebbtide.
 */

/** The bindings and variables of the app's Worker. */
export interface ServerEnv {
  /** The Durable Object namespace of `SyncSpace`. */
  readonly SPACES?: ObjectNamespace;
  /** The D1 database for what crosses spaces. Without it there is no change history, and sync works all the same. */
  readonly DB?: Database;
  /** Set for local development only: opens the endpoint that hands out tokens. */
  readonly EBBTIDE_DEV?: unknown;
}

export interface ObjectNamespace {
  idFromName(name: string): unknown;
  get(id: never): { fetch(request: Request): Promise<Response> };
}

export interface Database {
  prepare(sql: string): Statement;
  batch(statements: Statement[]): Promise<unknown>;
}

export interface Statement {
  bind(...params: (string | number | null)[]): Statement;
  first<T>(): Promise<T | null>;
  all<T>(): Promise<{ readonly results: readonly T[] }>;
  run(): Promise<{ readonly meta: { readonly changes: number } }>;
}

/** The state of a Durable Object. */
export interface ObjectState {
  readonly storage: ObjectStorage;
  blockConcurrencyWhile<T>(body: () => Promise<T>): Promise<T>;
  acceptWebSocket(socket: ServerSocket): void;
  getWebSockets(): ServerSocket[];
  setWebSocketAutoResponse(pair: unknown): void;
  waitUntil(work: Promise<unknown>): void;
}

export interface ObjectStorage {
  sync(): Promise<void>;
  getAlarm(): Promise<number | null>;
  setAlarm(at: number): Promise<void>;
}

/** A socket of the hibernation API. */
export interface ServerSocket {
  send(data: Uint8Array): void;
  close(code: number, reason?: string): void;
  serializeAttachment(attachment: unknown): void;
  deserializeAttachment(): unknown;
}

/** What the runtime puts into the global scope beside the web's own. */
export interface RuntimeGlobals {
  WebSocketPair: new () => { 0: unknown; 1: ServerSocket };
  WebSocketRequestResponsePair: new (request: string, response: string) => unknown;
}

/** The runtime's global scope. */
export const runtime = globalThis as unknown as RuntimeGlobals;
