/**
 * A form that opens under a line such as "Add a member", so that the records come first.
 * It is the browser's own disclosure widget and knows nothing of the form. Members and visits use it.
 */

import { element } from './dom.ts';
import { icon } from './icons.ts';

/** The line and the form; opening it puts the focus into the first field. */
export function adder(label: string, form: HTMLElement): HTMLElement {
  const details = element('details', { class: 'adder' }, element('summary', {}, icon('plus'), label), form);
  details.addEventListener('toggle', () => {
    if (details.open) form.querySelector<HTMLElement>('input')?.focus();
  });
  return details;
}

/** Closes the disclosure that holds the form and gives the focus back to its line. */
export function closeAdder(form: HTMLElement): void {
  const details = form.closest('details');
  if (!details) return;
  details.open = false;
  details.querySelector('summary')?.focus();
}
