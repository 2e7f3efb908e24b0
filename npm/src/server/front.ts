/**
 * The Worker in front of the objects: origin, route, identity, in this order, before any object is touched.
 * It reads no message. `createServer` makes one for each app.
 */
import { EbbtideError } from '../errors.ts';
import { identityJson, secretOf, type Authenticate, type TokenAuthentication } from './auth.ts';
import { tooLarge } from './body.ts';
import { historyPage } from './history.ts';
import { rust } from './module.ts';
import type { ServerEnv } from './platform.ts';
import {
  jsonResponse, misconfigured, preflightResponse, refusal, refusalFrom, refusalResponse, withOrigin,
} from './replies.ts';

/** What an app chose. */
export interface FrontOptions {
  readonly prefix: string;
  readonly origins: readonly string[];
  readonly authenticate: Authenticate<never>;
}

interface Route {
  readonly kind: 'preflight' | 'health' | 'devToken' | 'sync' | 'ticket' | 'history' | 'socket';
  readonly space?: string;
}

/** Answers a request, whatever is wrong with it. */
export async function handle(options: FrontOptions, request: Request, env: ServerEnv): Promise<Response> {
  let origin: string | undefined;
  try {
    const url = new URL(request.url);
    origin = rust().checkOrigin([...options.origins], url.origin, request.headers.get('Origin') ?? undefined);
    const response = await answer(options, request, env, url);
    return withOrigin(response, origin);
  } catch (thrown) {
    return withOrigin(refusalResponse(refusalFrom(thrown)), origin);
  }
}

async function answer(options: FrontOptions, request: Request, env: ServerEnv, url: URL): Promise<Response> {
  const route = findRoute(options.prefix, request, env, url);
  switch (route.kind) {
    case 'preflight':
      return preflightResponse();
    case 'health':
      return jsonResponse('{"status":"ok","version":1}');
    case 'devToken':
      return devToken(options, env, url);
    case 'socket':
      return forward(env, route, request, { 'Sec-WebSocket-Protocol': ticketOf(request), Upgrade: 'websocket' });
    case 'history':
      await accessTo(route.space ?? '', options, request, env);
      return historyPage(env.DB, route.space ?? '', url.searchParams);
    case 'sync':
    case 'ticket':
      return forward(env, route, request, { 'X-Ebbtide-Access': await accessTo(route.space ?? '', options, request, env) });
  }
}

function findRoute(prefix: string, request: Request, env: ServerEnv, url: URL): Route {
  const version = request.headers.get('X-Sync-Version') ?? undefined;
  const upgrade = request.headers.get('Upgrade')?.toLowerCase() === 'websocket';
  return rust().findRoute(prefix, request.method, url.pathname, version, upgrade, Boolean(env.EBBTIDE_DEV)) as Route;
}

function devToken({ authenticate }: FrontOptions, env: ServerEnv, url: URL): Response {
  if (!isTokens(authenticate)) throw misconfigured('development tokens need auth: jwt({ secret })');
  const secret = secretOf(env, authenticate.secretName);
  const [user, spaces] = ['user', 'spaces'].map((name) => url.searchParams.get(name) ?? '');
  return jsonResponse(rust().devToken(user ?? '', spaces ?? '', secret, Date.now()));
}

async function accessTo(space: string, options: FrontOptions, request: Request, env: ServerEnv): Promise<string> {
  const identity = await identify(options.authenticate, request, env);
  const most = rust().messageBytes();
  if (Number(request.headers.get('Content-Length') ?? 0) > most) throw tooLarge(most);
  return encodeURIComponent(rust().grantAccess(identity, space, Date.now()));
}

async function identify(authenticate: FrontOptions['authenticate'], request: Request, env: ServerEnv): Promise<string> {
  try {
    return identityJson(await authenticate(request, env as never));
  } catch (thrown) {
    if (thrown instanceof EbbtideError) throw refusal(401, thrown.code, thrown.message, thrown.retryable);
    if (isTokens(authenticate)) throw thrown;
    console.error('ebbtide: auth failed', thrown);
    throw refusal(401, 'unauthorized', 'the request could not be authenticated');
  }
}

function isTokens(authenticate: Authenticate<never>): authenticate is TokenAuthentication {
  return 'secretName' in authenticate;
}

function ticketOf(request: Request): string {
  return rust().ticketInProtocols(request.headers.get('Sec-WebSocket-Protocol') ?? undefined);
}

/** Hands a request to the space's object. Only what is named here reaches it. */
async function forward(
  env: ServerEnv,
  { kind, space = '' }: Route,
  request: Request,
  internal: Record<string, string>,
): Promise<Response> {
  if (env.SPACES === undefined) throw misconfigured('the Durable Object binding SPACES is missing');
  const headers = new Headers(internal);
  for (const name of ['X-Client-ID', 'Content-Length']) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  const url = `https://space/${kind}?name=${encodeURIComponent(space)}`;
  const body = kind === 'sync' ? request.body : null;
  const object = env.SPACES.get(env.SPACES.idFromName(space) as never);
  return object.fetch(new Request(url, { method: kind === 'socket' ? 'GET' : 'POST', headers, body }));
}
