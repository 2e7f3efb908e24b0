/**
 * Keeps the app's own files for offline use, and offers a newer version when one has been fetched; nothing changes under the user's hands.
 * It does not know what is in a version; that is the service worker. The page's start calls it.
 */

import { byId, element } from './dom.ts';

/** What the waiting service worker understands as "take over now". */
const TAKE_OVER = 'take-over';

/** Registers the service worker and watches for a newer one. */
export async function keepForOffline(): Promise<void> {
  if (!('serviceWorker' in navigator)) return;
  const registration = await navigator.serviceWorker.register('/service-worker.js');
  if (registration.waiting) offer(registration.waiting);
  registration.addEventListener('updatefound', () => watch(registration.installing));
}

function watch(worker: ServiceWorker | null): void {
  worker?.addEventListener('statechange', () => {
    // The very first version has nobody to replace.
    if (worker.state === 'installed' && navigator.serviceWorker.controller) offer(worker);
  });
}

function offer(worker: ServiceWorker): void {
  const reload = () => {
    navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
    worker.postMessage(TAKE_OVER);
  };
  const button = element('button', { type: 'button', class: 'button', on: { click: reload } }, 'Reload');
  byId('toasts').replaceChildren(element('div', { class: 'toast news' }, element('p', {}, 'A new version of Rounds is ready.'), button));
}
