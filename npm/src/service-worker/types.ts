/**
 * The parts of the service worker's world that TypeScript's own libraries lack or that clash between page and worker.
 * Shapes only, nothing exists at run time. The other files of this folder use them.
 */

/** What Ebbtide needs of a service worker's global scope; `self` in a service worker fits. */
export interface BackgroundScope {
  addEventListener(type: 'sync', listener: (event: BackgroundSyncEvent) => void): void;
}

/** A Background Sync event. */
export interface BackgroundSyncEvent extends Event {
  readonly tag: string;
  /** Whether the browser gives up after this attempt. */
  readonly lastChance: boolean;
  waitUntil(work: Promise<unknown>): void;
}

/** A service worker registration, with Background Sync where the browser has it. */
export type BackgroundRegistration = ServiceWorkerRegistration & {
  readonly sync?: { register(tag: string): Promise<void> };
};
