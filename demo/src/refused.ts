/**
 * The list of what the server refused, with a way to try again or to let go of each.
 * It knows the reasons only as texts. The sync panel shows it.
 */

import type { Database, RejectedTransaction } from 'ebbtide';
import { element } from './dom.ts';
import { attempt, reportProblem } from './toasts.ts';

/** The list, empty while nothing is refused; it follows the database's status. */
export function refusedList(db: Database): HTMLElement {
  const list = element('ul', { class: 'refused', 'aria-label': 'Refused by the server' });
  let shown = 0;
  const show = () => {
    const { failed } = db.sync.status;
    if (failed === shown) return;
    shown = failed;
    db.rejected.list().then(
      (refused) => list.replaceChildren(...refused.map((transaction) => item(db, transaction))),
      (error: unknown) => reportProblem('The list of refused changes could not be read', error));
  };
  db.sync.addEventListener('status', show);
  show();
  return list;
}

function item(db: Database, { id, detail, reason, changes }: RejectedTransaction): HTMLElement {
  const tables = [...new Set(changes.map((change) => `${change.kind} ${change.table}`))].join(', ');
  const retry = () => attempt('It could not be tried again', () => db.rejected.retry(id));
  const discard = () => attempt('It could not be discarded', () => db.rejected.discard(id));
  return element('li', { 'data-refused': id },
    element('p', {}, element('strong', {}, tables), `: ${detail || reason}`),
    element('div', { class: 'actions' },
      element('button', { type: 'button', class: 'button', on: { click: retry } }, 'Try again'),
      element('button', { type: 'button', class: 'button quiet', on: { click: discard } }, 'Discard')));
}
