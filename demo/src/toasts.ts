/**
 * Notices of what went wrong, below the header where they cover nothing. They are read out, and stay until they are closed.
 * It does not know what went wrong. Every view may call it.
 */

import { byId, element } from './dom.ts';

/** Says what could not be done and why. */
export function reportProblem(what: string, error: unknown): void {
  console.error(what, error);
  const why = error instanceof Error ? error.message : String(error);
  const close = element('button', { type: 'button', class: 'button quiet', on: { click: () => toast.remove() } }, 'Close');
  const toast = element('div', { class: 'toast' }, element('p', {}, element('strong', {}, `${what}. `), why), close);
  byId('toasts').replaceChildren(toast);
}

/** Runs a user's action and reports its failure; the views' buttons call their writes through this. */
export function attempt(what: string, action: () => Promise<unknown>): void {
  action().catch((error: unknown) => reportProblem(what, error));
}
