/**
 * The panel behind the badge: the state as a sentence, what was refused, and a way to sync at once.
 * It does not decide anything about sync. The shell places it; the badge opens it.
 */

import type { Database } from 'ebbtide';
import { readableTime } from './dates.ts';
import type { Device } from './device.ts';
import { element, setText } from './dom.ts';
import { refusedList } from './refused.ts';
import { changes, describe } from './sync-words.ts';
import { attempt } from './toasts.ts';

/** The panel, closed; it shows the newest status whenever that changes. */
export function syncPanel(db: Database, device: Device, id: string): HTMLElement {
  const heading = element('h2', { id: `${id}-title`, class: 'panel-title' });
  const explanation = element('p', {});
  const facts = { last: element('dd'), pending: element('dd'), refused: element('dd') };
  const list = element('dl', { class: 'facts' },
    ...fact('Working as', element('dd', {}, device.user)), ...fact('Space', element('dd', {}, device.space)),
    ...fact('Waiting to be sent', facts.pending), ...fact('Refused by the server', facts.refused),
    ...fact('Last in step', facts.last));
  const sync = element('button', { type: 'button', class: 'button', on: { click: () => attempt('Sync did not finish', () => db.sync.now()) } }, 'Sync now');
  const show = () => {
    const { status } = db.sync;
    const words = describe(status);
    setText(heading, words.label);
    setText(explanation, words.explanation);
    setText(facts.pending, status.pending === 0 ? 'Nothing' : changes(status.pending));
    setText(facts.refused, status.failed === 0 ? 'Nothing' : changes(status.failed));
    setText(facts.last, status.lastSyncAt === undefined ? 'Not yet' : readableTime(status.lastSyncAt));
    sync.disabled = status.state === 'paused' || status.state === 'local';
  };
  db.sync.addEventListener('status', show);
  show();
  return element('div', { id, class: 'panel', popover: 'auto', role: 'dialog', 'aria-labelledby': `${id}-title` }, heading, explanation, list, refusedList(db), sync);
}

function fact(name: string, value: HTMLElement): HTMLElement[] {
  return [element('dt', {}, name), value];
}
