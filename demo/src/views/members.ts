/**
 * The members of a household, with a line to add one.
 * It knows the household only by its id. The household's pane shows it.
 */

import { adder } from '../adder.ts';
import { confirmed } from '../confirm.ts';
import { element, setText } from '../dom.ts';
import { icon } from '../icons.ts';
import { KeyedList, type RowView } from '../keyed-list.ts';
import { live } from '../live.ts';
import { addMember, MEMBERS, removeMember, type Member } from '../queries.ts';
import { attempt } from '../toasts.ts';
import type { Context } from './context.ts';
import { textField } from './household-form.ts';

const FIRST_YEAR = 1900;

/** The section, alive until the context's signal. */
export function members(context: Context, household: string): HTMLElement {
  const list = element('ul', { class: 'people' });
  const keyed = new KeyedList<Member>(list, (row) => person(context, row));
  live<Member>(context.db, MEMBERS, [household], context.signal, (rows) => keyed.show(rows));
  return element('section', { class: 'block', 'aria-label': 'Members' }, element('h2', {}, 'Members'), list, adder('Add a member', addForm(context, household)));
}

function person({ db }: Context, { id }: Member): RowView<Member> {
  const [name, year] = [element('span', { class: 'person-name' }), element('span', { class: 'row-sub' })];
  const click = () => attempt('The member was not removed', async () => {
    if (await confirmed(`Remove ${name.textContent}?`, 'Remove')) await removeMember(db, id);
  });
  const remove = element('button', { type: 'button', class: 'icon-button', on: { click } }, icon('trash'));
  const update = (row: Member) => {
    setText(name, row.name);
    setText(year, row.birth_year === null ? '' : `born ${row.birth_year}`);
    remove.setAttribute('aria-label', `Remove ${row.name}`);
  };
  return { node: element('li', { class: 'person' }, name, year, remove), update };
}

function addForm({ db }: Context, household: string): HTMLElement {
  const name = textField('Name', '', { required: true, maxlength: 120 });
  const year = textField('Year of birth', '', { type: 'number', min: FIRST_YEAR, max: new Date().getFullYear(), inputmode: 'numeric' });
  const form = element('form', { class: 'form inline-form' }, name.node, year.node, element('button', { class: 'button primary' }, 'Add member'));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const born = year.input.value === '' ? null : Number(year.input.value);
    attempt('The member was not added', async () => {
      await addMember(db, household, name.input.value.trim(), born);
      form.reset();
      name.input.focus();
    });
  });
  return form;
}
