/**
 * The visits to a household: record one, correct its doses, write its notes.
 * Each control writes its own field at once, so that two devices can work on one visit. The household's pane shows it.
 */

import { MOST_DOSES } from '../../schema.ts';
import { adder, closeAdder } from '../adder.ts';
import { confirmed } from '../confirm.ts';
import { readableDay, today } from '../dates.ts';
import { element, newId, setText } from '../dom.ts';
import { icon } from '../icons.ts';
import { KeyedList, type RowView } from '../keyed-list.ts';
import { live } from '../live.ts';
import { addVisit, removeVisit, setDoses, setNotes, VISITS, type Visit } from '../queries.ts';
import { attempt } from '../toasts.ts';
import type { Context } from './context.ts';
import { textField } from './household-form.ts';
import { counted } from './household-list.ts';

const NOTES_LENGTH = 4_000;

/** The section, alive until the context's signal. */
export function visits(context: Context, household: string): HTMLElement {
  const list = element('ul', { class: 'visits' });
  const keyed = new KeyedList<Visit>(list, (row) => card(context, row));
  const none = element('p', { class: 'row-sub', hidden: true }, 'No visit recorded yet.');
  live<Visit>(context.db, VISITS, [household], context.signal, (rows) => {
    keyed.show(rows);
    none.hidden = rows.length > 0;
  });
  return element('section', { class: 'block', 'aria-label': 'Visits' }, element('h2', {}, 'Visits'), adder('Record a visit', recordForm(context, household)), list, none);
}

function recordForm({ db, device }: Context, household: string): HTMLElement {
  const day = textField('Date', today(), { type: 'date', required: true, max: today() });
  const doses = textField('Doses given', '0', { type: 'number', required: true, min: 0, max: MOST_DOSES, inputmode: 'numeric' });
  const notes = textField('Notes', '', { maxlength: NOTES_LENGTH });
  notes.node.classList.add('wide');
  const form = element('form', { class: 'form inline-form visit-form' }, day.node, doses.node, notes.node,
    element('button', { class: 'button primary' }, 'Save visit'));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const visit = { visited_on: day.input.value, visitor: device.user, doses: Number(doses.input.value), notes: notes.input.value.trim() };
    attempt('The visit was not recorded', async () => {
      await addVisit(db, household, visit);
      doses.input.value = '0';
      notes.input.value = '';
      closeAdder(form);
    });
  });
  return form;
}

function card(context: Context, first: Visit): RowView<Visit> {
  const heading = element('h3', { class: 'visit-day' });
  const doses = doseStepper(context, first.id);
  const notes = notesField(context, first.id);
  const click = () => attempt('The visit was not removed', async () => {
    if (await confirmed(`Remove the visit of ${heading.textContent}?`, 'Remove')) await removeVisit(context.db, first.id);
  });
  const remove = element('button', { type: 'button', class: 'icon-button', on: { click } }, icon('trash'));
  const node = element('li', { class: 'visit', 'data-visit': first.id }, element('div', { class: 'visit-head' }, heading, remove), doses.node, notes.node);
  const update = (row: Visit) => {
    setText(heading, `${readableDay(row.visited_on)}, ${row.visitor}`);
    remove.setAttribute('aria-label', `Remove the visit of ${readableDay(row.visited_on)}`);
    doses.show(row.doses);
    notes.show(row.notes);
  };
  return { node, update };
}

function doseStepper({ db }: Context, id: string): { node: HTMLElement; show: (doses: number) => void } {
  let current = 0;
  const value = element('output', { class: 'doses' });
  const step = (by: number) => attempt('The doses were not saved', () => setDoses(db, id, Math.min(MOST_DOSES, Math.max(0, current + by))));
  const button = (name: 'minus' | 'plus', label: string, by: number) =>
    element('button', { type: 'button', class: 'icon-button', 'aria-label': label, on: { click: () => step(by) } }, icon(name));
  const [less, more] = [button('minus', 'One dose less', -1), button('plus', 'One dose more', 1)];
  const show = (doses: number) => {
    current = doses;
    setText(value, counted(doses, 'dose'));
    less.disabled = doses === 0;
    more.disabled = doses >= MOST_DOSES;
  };
  return { node: element('div', { class: 'stepper', role: 'group', 'aria-label': 'Doses given' }, less, value, more), show };
}

/** Saves when the person leaves the field; what they are typing is not replaced by what comes from elsewhere. */
function notesField({ db }: Context, id: string): { node: HTMLElement; show: (notes: string) => void } {
  const inputId = newId('notes');
  const input = element('textarea', { id: inputId, class: 'input notes', rows: 2, maxlength: NOTES_LENGTH, placeholder: 'Notes' });
  let saved = '';
  input.addEventListener('change', () => {
    if (input.value !== saved) attempt('The notes were not saved', () => setNotes(db, id, input.value));
  });
  const show = (notes: string) => {
    const isBeingTyped = input === document.activeElement && input.value !== saved;
    saved = notes;
    if (!isBeingTyped) input.value = notes;
  };
  return { node: element('div', {}, element('label', { class: 'visually-hidden', for: inputId }, 'Notes of this visit'), input), show };
}
