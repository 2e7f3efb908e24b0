/**
 * What the page shows when the database cannot be opened: why, and what to do.
 * The page's start calls it.
 */

import { EbbtideError } from 'ebbtide';
import { byId, element } from './dom.ts';

const ADVICE: Record<string, readonly [title: string, text: string]> = {
  database_in_use: ['Rounds is open in another tab', 'Go on there, or close that tab and try again here.'],
  storage_unavailable: ['This window cannot keep records', 'Private windows have no lasting storage. Open Rounds in a normal window.'],
};

/** Replaces the panes by the explanation. */
export function showOpeningProblem(error: unknown): void {
  console.error(error);
  const code = error instanceof EbbtideError ? error.code : 'unknown';
  const [title, text] = ADVICE[code] ?? ['Your records could not be opened', error instanceof Error ? error.message : String(error)];
  const again = element('button', { type: 'button', class: 'button primary', on: { click: () => location.reload() } }, 'Try again');
  const section = element('section', { class: 'pane notice', 'data-code': code }, element('h1', {}, title), element('p', {}, text), again);
  byId('main').replaceChildren(section);
}
