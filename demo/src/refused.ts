/**
 * The list of what the server refused, in the user's words, with a way to try again or to let go of each.
 * It knows the reasons and the tables only as texts. The sync panel shows it.
 */

import type { ChangeSummary, Database, RejectedTransaction } from 'ebbtide';
import { element } from './dom.ts';
import { attempt, reportProblem } from './toasts.ts';

const KINDS = { insert: 'New', update: 'Changed', delete: 'Removed' } as const;

const REASONS: Record<string, string> = {
  foreign_key: 'It belongs to a record that somebody has removed.',
  unique: 'Another record already has this value.',
  constraint: 'A value is not allowed.',
  dependency: 'It builds on a change that was refused.',
};

/** What people may read of a record; keys and references say nothing to them. */
const READABLE = new Set(['name', 'village', 'directions', 'birth_year', 'visited_on', 'visitor', 'doses', 'notes']);

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
  const retry = () => attempt('It could not be tried again', () => db.rejected.retry(id));
  const discard = () => attempt('It could not be discarded', () => db.rejected.discard(id));
  return element('li', { 'data-refused': id },
    ...changes.map((change) => element('p', {}, element('strong', {}, `${KINDS[change.kind]} ${change.table}`), contents(change))),
    element('p', {}, REASONS[reason] ?? detail),
    element('div', { class: 'actions' },
      element('button', { type: 'button', class: 'button', on: { click: retry } }, 'Try again'),
      element('button', { type: 'button', class: 'button quiet', on: { click: discard } }, 'Discard')));
}

/** What would be lost with it, so that nobody has to let go of something unseen. */
function contents({ values }: ChangeSummary): string {
  const readable = Object.entries(values).filter(([column, value]) => READABLE.has(column) && value !== null && value !== '');
  return readable.map(([column, value], index) => `${index === 0 ? ': ' : ', '}${column.replace('_', ' ')} ${value}`).join('');
}
