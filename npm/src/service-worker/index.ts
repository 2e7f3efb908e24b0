/**
 * The entry `ebbtide/service-worker`: what an app's own service worker imports, and the page's request for a sync event.
 * It loads no wasm and opens no database, so it may be bundled into any module or classic service worker.
 */

export { installBackgroundSync } from './background-sync.ts';
export { registerBackgroundSync } from './register.ts';
export type { BackgroundScope, BackgroundSyncEvent } from './types.ts';
