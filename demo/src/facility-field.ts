/**
 * A field for choosing a health facility: typing searches the local list, arrow keys move, Enter chooses (the ARIA combobox pattern).
 * It knows the list only through its search. The household form uses it.
 */

import type { Database } from 'ebbtide';
import { element, newId } from './dom.ts';
import { findFacilities, type Facility } from './facilities.ts';
import { reportProblem } from './toasts.ts';

/** What is chosen: a facility's code with the text that names it, or nothing. */
export interface Choice {
  readonly code: string;
  readonly name: string;
}

/** The field; `choice` is what the form saves. */
export class FacilityField {
  readonly node: HTMLElement;
  readonly #db: Database;
  readonly #input: HTMLInputElement;
  readonly #list: HTMLUListElement;
  #choice: Choice | undefined;
  #found: Facility[] = [];
  #active = -1;
  #asked = 0;

  constructor(db: Database, label: string, choice: Choice | undefined) {
    this.#db = db;
    const [inputId, listId] = [newId('facility'), newId('facilities')];
    this.#list = element('ul', { id: listId, class: 'suggestions', role: 'listbox', 'aria-label': label, hidden: true });
    this.#input = element('input', {
      id: inputId, class: 'input', role: 'combobox', autocomplete: 'off', placeholder: 'Search by name',
      'aria-expanded': 'false', 'aria-controls': listId, 'aria-autocomplete': 'list',
      on: { input: () => this.#search(), keydown: (event) => this.#key(event), blur: () => this.#leave() },
    });
    this.#choice = choice;
    this.#input.value = choice?.name ?? '';
    this.node = element('div', { class: 'field combobox' }, element('label', { for: inputId }, label), this.#input, this.#list);
  }

  /** The chosen facility; undefined when the field is empty. */
  get choice(): Choice | undefined {
    return this.#choice;
  }

  #search(): void {
    const asked = ++this.#asked;
    findFacilities(this.#db, this.#input.value).then(
      (found) => { if (asked === this.#asked && this.#input === document.activeElement) this.#offer(found); },
      (error: unknown) => reportProblem('The facilities could not be searched', error));
  }

  #offer(found: Facility[]): void {
    this.#found = found;
    this.#list.replaceChildren(...found.map((facility, index) => this.#option(facility, index)));
    this.#list.hidden = found.length === 0;
    this.#input.setAttribute('aria-expanded', String(found.length > 0));
    this.#activate(-1);
  }

  #option(facility: Facility, index: number): HTMLElement {
    const place = `${facility.kind}, ${facility.region}, ${facility.country}`;
    const option = element('li', { id: `${this.#list.id}-${index}`, role: 'option', 'aria-selected': 'false', class: 'suggestion' },
      element('span', {}, facility.name), element('small', {}, place));
    // The press must not take the focus, or the field would close before the click arrives.
    option.addEventListener('pointerdown', (event) => event.preventDefault());
    option.addEventListener('click', () => this.#choose(facility));
    return option;
  }

  #key(event: KeyboardEvent): void {
    const last = this.#found.length - 1;
    switch (event.key) {
      case 'ArrowDown': this.#list.hidden ? this.#search() : this.#activate(this.#active >= last ? 0 : this.#active + 1); break;
      case 'ArrowUp': this.#activate(this.#active <= 0 ? last : this.#active - 1); break;
      case 'Enter': { const facility = this.#found[this.#active]; if (!facility || this.#list.hidden) return; this.#choose(facility); break; }
      case 'Escape': if (this.#list.hidden) return; this.#close(); break;
      default: return;
    }
    event.preventDefault();
  }

  #activate(index: number): void {
    this.#active = index;
    [...this.#list.children].forEach((option, at) => option.setAttribute('aria-selected', String(at === index)));
    const active = this.#list.children[index];
    if (active) this.#input.setAttribute('aria-activedescendant', active.id);
    else this.#input.removeAttribute('aria-activedescendant');
    active?.scrollIntoView({ block: 'nearest' });
  }

  #choose(facility: Facility): void {
    this.#choice = { code: facility.code, name: facility.name };
    this.#input.value = facility.name;
    this.#close();
  }

  /** Emptying the field chooses nothing; other text that was not chosen from the list goes back to the last choice. */
  #leave(): void {
    if (this.#input.value.trim() === '') this.#choice = undefined;
    this.#input.value = this.#choice?.name ?? '';
    this.#close();
  }

  #close(): void {
    this.#asked += 1;
    this.#list.hidden = true;
    this.#input.setAttribute('aria-expanded', 'false');
    this.#activate(-1);
  }
}
