/**
 * The demo's service worker: keeps the app's own files, so that it starts without a network, and sends what waits in the background.
 * It never touches the sync endpoint's requests. The build puts the list of files in; a changed file makes a new version.
 */

import { installBackgroundSync, type BackgroundSyncEvent } from 'ebbtide/service-worker';

/** The build's files: a name for the set, and their paths. */
declare const PRECACHE: { version: string; paths: string[] };

interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}
interface Scope {
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', listener: (event: ExtendableEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEvent) => void): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<unknown>) => void): void;
  addEventListener(type: 'sync', listener: (event: BackgroundSyncEvent) => void): void;
}

const PREFIX = 'rounds-';
const CACHE = PREFIX + PRECACHE.version;
const FILES = new Set(PRECACHE.paths);
const scope = self as unknown as Scope;

installBackgroundSync(scope);
scope.addEventListener('install', (event) => event.waitUntil(fillCache()));
scope.addEventListener('activate', (event) => event.waitUntil(takeOver()));
scope.addEventListener('message', ({ data }) => {
  if (data === 'take-over') void scope.skipWaiting();
});
scope.addEventListener('fetch', (event) => {
  const path = cachedPath(event.request);
  if (path !== undefined) event.respondWith(fromCache(path, event.request));
});

/** All files or none: one that is missing fails the installation, and the version before stays. */
async function fillCache(): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.addAll(PRECACHE.paths.map((path) => new Request(path, { cache: 'reload' })));
}

async function takeOver(): Promise<void> {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await scope.clients.claim();
}

/** The file that answers a request, if it is one of the app's. The page's query names a device and a space, not another file. */
function cachedPath(request: Request): string | undefined {
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin) return undefined;
  return FILES.has(url.pathname) ? url.pathname : undefined;
}

async function fromCache(path: string, request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  return (await cache.match(path)) ?? fetch(request);
}
