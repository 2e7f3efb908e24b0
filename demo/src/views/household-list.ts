/**
 * The list of households with search and totals; empty, it says how to begin.
 * It does not know which household is open, except to mark it. The shell shows it.
 */

import { readableDay } from '../dates.ts';
import { element, newId, setText } from '../dom.ts';
import { icon } from '../icons.ts';
import { KeyedList, type RowView } from '../keyed-list.ts';
import { live } from '../live.ts';
import { HOUSEHOLDS, TOTALS, type HouseholdLine, type Totals } from '../queries.ts';
import { linkTo } from '../router.ts';
import { addSamples } from '../samples.ts';
import { attempt } from '../toasts.ts';
import type { Context } from './context.ts';

/** The pane, and a way to mark the household that is open beside it. */
export interface HouseholdList {
  readonly node: HTMLElement;
  mark(id: string | undefined): void;
}

/** The pane, alive until the context's signal. */
export function householdList(context: Context): HouseholdList {
  const list = element('ul', { class: 'rows' });
  const notice = element('div', { class: 'notice', hidden: true });
  const search = searchField();
  const keyed = new KeyedList(list, line);
  let open: string | undefined;
  const markOpen = () => markLink(list, open);
  let query = new AbortController();
  const follow = () => {
    query.abort();
    query = new AbortController();
    const text = search.input.value.trim();
    live<HouseholdLine>(context.db, HOUSEHOLDS, [text], AbortSignal.any([context.signal, query.signal]), (rows) => {
      keyed.show(rows);
      markOpen();
      showNotice(notice, rows.length, text, context);
    });
  };
  search.input.addEventListener('input', follow);
  follow();
  const add = element('a', { class: 'button primary', href: linkTo({ at: 'new' }) }, icon('plus'), 'Add household');
  const head = element('div', { class: 'pane-head' }, element('h1', { tabindex: -1 }, 'Households'), add);
  const node = element('section', { class: 'pane list-pane', 'aria-label': 'Households' }, head, totals(context), search.node, list, notice);
  return { node, mark: (id) => { open = id; markOpen(); } };
}

function markLink(list: HTMLElement, open: string | undefined): void {
  for (const link of list.querySelectorAll<HTMLElement>('.row')) {
    if (link.dataset.household === open) link.setAttribute('aria-current', 'true');
    else link.removeAttribute('aria-current');
  }
}

function searchField(): { node: HTMLElement; input: HTMLInputElement } {
  const id = newId('search');
  const input = element('input', { id, class: 'input', type: 'search', placeholder: 'Search by name or village', autocomplete: 'off' });
  const label = element('label', { class: 'visually-hidden', for: id }, 'Search households');
  return { input, node: element('div', { class: 'search' }, label, icon('search'), input) };
}

function totals({ db, signal }: Context): HTMLElement {
  const text = element('p', { class: 'totals' });
  live<Totals>(db, TOTALS, [], signal, ([row]) => {
    if (row) setText(text, `${counted(row.households, 'household')}, ${counted(row.visits, 'visit')}, ${counted(row.doses, 'dose')} given`);
  });
  return text;
}

function line(): RowView<HouseholdLine> {
  const [name, village, last, doses] = [element('span', { class: 'row-name' }), element('span', { class: 'row-sub' }), element('span'), element('span')];
  const side = element('span', { class: 'row-side' }, last, doses);
  const link = element('a', { class: 'row' }, element('span', { class: 'row-main' }, name, village), side);
  const update = (row: HouseholdLine) => {
    link.href = linkTo({ at: 'household', id: row.id });
    link.dataset.household = row.id;
    setText(name, row.name);
    setText(village, [row.village, counted(row.members, 'member')].filter(Boolean).join(' · '));
    setText(last, row.last_visit === null ? 'No visit yet' : readableDay(row.last_visit));
    setText(doses, counted(row.doses, 'dose'));
  };
  return { node: element('li', {}, link), update };
}

function showNotice(notice: HTMLElement, rows: number, text: string, context: Context): void {
  notice.hidden = rows > 0;
  const wanted = rows > 0 ? '' : text === '' ? 'empty' : `none:${text}`;
  if (notice.dataset.shows === wanted) return;
  notice.dataset.shows = wanted;
  notice.replaceChildren(...(wanted === 'empty' ? welcome(context) : [element('p', {}, `No household matches “${text}”.`)]));
}

function welcome({ db, device }: Context): HTMLElement[] {
  const samples = element('button', { type: 'button', class: 'button' }, 'Add four sample households');
  samples.addEventListener('click', () => {
    samples.disabled = true;
    attempt('The samples could not be added', () => addSamples(db, device.user).finally(() => { samples.disabled = false; }));
  });
  return [element('p', {}, 'No households yet. Add the first one, or begin with a few invented ones.'), samples];
}

/** "1 visit", "3 visits". */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
