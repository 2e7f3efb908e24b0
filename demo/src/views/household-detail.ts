/**
 * One household: who lives there, and its visits. It follows changes of other devices while it is open.
 * It does not edit the household's own fields; that is the form. The shell shows it.
 */

import { confirmed } from '../confirm.ts';
import { element, setText } from '../dom.ts';
import { icon } from '../icons.ts';
import { live } from '../live.ts';
import { HOUSEHOLD, removeHousehold, type HouseholdWithFacility } from '../queries.ts';
import { goTo, linkTo } from '../router.ts';
import { attempt } from '../toasts.ts';
import type { Context } from './context.ts';
import { members } from './members.ts';
import { visits } from './visits.ts';

/** The pane, alive until the context's signal. */
export function householdDetail(context: Context, id: string): HTMLElement {
  const title = element('h1', { tabindex: -1 });
  const about = element('dl', { class: 'facts' });
  const gone = element('p', { class: 'notice', hidden: true }, 'This household is not here any more. Somebody may have removed it.');
  const actions = element('div', { class: 'actions' },
    element('a', { class: 'button', href: linkTo({ at: 'edit', id }) }, icon('pencil'), 'Edit'), removeButton(context, id, title));
  const content = element('div', { class: 'detail' }, about, members(context, id), visits(context, id));
  live<HouseholdWithFacility>(context.db, HOUSEHOLD, [id], context.signal, ([row]) => {
    gone.hidden = row !== undefined;
    content.hidden = actions.hidden = row === undefined;
    setText(title, row?.name ?? 'Gone');
    if (row) showFacts(about, row);
  });
  const head = element('div', { class: 'pane-head' }, title, actions);
  return element('section', { class: 'pane detail-pane', 'aria-label': 'Household' }, head, gone, content);
}

function showFacts(about: HTMLElement, row: HouseholdWithFacility): void {
  const place = [row.facility_name, row.facility_region].filter(Boolean).join(', ');
  const facts: [string, string][] = [['Village', row.village], ['How to find it', row.directions], ['Nearest facility', place || (row.facility ?? '')]];
  const filled = facts.filter(([, value]) => value !== '');
  about.replaceChildren(...filled.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]));
  about.hidden = filled.length === 0;
}

function removeButton({ db }: Context, id: string, title: HTMLElement): HTMLElement {
  const remove = async () => {
    const question = `Remove the ${title.textContent} household with its members and visits?`;
    if (!(await confirmed(question, 'Remove'))) return;
    await removeHousehold(db, id);
    goTo({ at: 'list' });
  };
  const click = () => attempt('The household was not removed', remove);
  return element('button', { type: 'button', class: 'button quiet', on: { click } }, icon('trash'), 'Remove');
}
