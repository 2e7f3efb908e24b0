/**
 * The form for a new household and for changing one. Saving a change writes only the fields that were touched.
 * It does not know who else edits the record. The shell shows it.
 */

import { element, newId } from '../dom.ts';
import { FacilityField } from '../facility-field.ts';
import { addHousehold, changeHousehold, HOUSEHOLD, type HouseholdFields, type HouseholdWithFacility } from '../queries.ts';
import { goTo, linkTo, type Place } from '../router.ts';
import { attempt } from '../toasts.ts';
import type { Context } from './context.ts';

const EMPTY: HouseholdFields = { name: '', village: '', directions: '', facility: null };
const SOURCE = 'https://doi.org/10.1038/s41597-019-0142-2';
const NAME_LENGTH = 120;
const TEXT_LENGTH = 500;

/** The form for adding a household. */
export function newHousehold(context: Context): HTMLElement {
  const save = async (fields: HouseholdFields) => goTo({ at: 'household', id: await addHousehold(context.db, fields) });
  return pane('New household', form(context, EMPTY, undefined, 'Add household', { at: 'list' }, save));
}

/** The form for changing a household; it fills itself once the record is read. */
export function editHousehold(context: Context, id: string): HTMLElement {
  const back: Place = { at: 'household', id };
  const section = pane('Edit household');
  const fill = async () => {
    const before = await context.db.get<HouseholdWithFacility>(HOUSEHOLD, [id]);
    if (context.signal.aborted) return;
    if (!before) return goTo({ at: 'list' });
    const save = async (after: HouseholdFields) => {
      await changeHousehold(context.db, id, before, after);
      goTo(back);
    };
    section.append(form(context, before, before.facility_name ?? undefined, 'Save', back, save));
  };
  attempt('The household could not be read', fill);
  return section;
}

function pane(title: string, ...content: HTMLElement[]): HTMLElement {
  return element('section', { class: 'pane detail-pane', 'aria-label': title }, element('h1', { tabindex: -1 }, title), ...content);
}

function form(
  { db }: Context, fields: HouseholdFields, facilityName: string | undefined, action: string, back: Place,
  save: (fields: HouseholdFields) => Promise<void>,
): HTMLElement {
  const name = textField('Family name', fields.name, { required: true, maxlength: NAME_LENGTH });
  const village = textField('Village', fields.village, { maxlength: NAME_LENGTH });
  const directions = textField('How to find it', fields.directions, { maxlength: TEXT_LENGTH });
  const chosen = fields.facility === null ? undefined : { code: fields.facility, name: facilityName ?? fields.facility };
  const facility = new FacilityField(db, 'Nearest health facility', chosen);
  const credit = element('p', { class: 'credit' }, 'Facilities of Malawi and Zambia: ',
    element('a', { href: SOURCE, target: '_blank', rel: 'noopener' }, 'Maina et al. 2019'), ', CC BY 4.0.');
  const actions = element('div', { class: 'actions' },
    element('button', { class: 'button primary' }, action), element('a', { class: 'button quiet', href: linkTo(back) }, 'Cancel'));
  const node = element('form', { class: 'form' }, name.node, village.node, directions.node, facility.node, actions, credit);
  node.addEventListener('submit', (event) => {
    event.preventDefault();
    attempt('The household was not saved', () => save({
      name: name.input.value.trim(), village: village.input.value.trim(),
      directions: directions.input.value.trim(), facility: facility.choice?.code ?? null,
    }));
  });
  return node;
}

/** A labelled line of text. */
export function textField(
  label: string, value: string, attributes: Record<string, string | number | boolean> = {},
): { node: HTMLElement; input: HTMLInputElement } {
  const id = newId('field');
  const input = element('input', { id, class: 'input', autocomplete: 'off', ...attributes });
  input.value = value;
  return { input, node: element('div', { class: 'field' }, element('label', { for: id }, label), input) };
}
