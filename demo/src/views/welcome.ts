/**
 * What a wide screen shows beside the list while no household is open: what this demo can do.
 * The shell shows it.
 */

import { element } from '../dom.ts';

const STEPS = [
  ['Open a second device.', 'It gets a database of its own and the same records, in the same window where there is room.'],
  ['Work offline on one of them.', 'Everything keeps working; the badge counts what waits to be sent.'],
  ['Change one visit on both.', 'One corrects the doses, the other writes the notes.'],
  ['Go online again.', 'Both changes are there, on both.'],
] as const;

/** The pane. */
export function welcome(): HTMLElement {
  const steps = STEPS.map(([title, text]) => element('li', {}, element('strong', {}, title), ' ', text));
  return element('section', { class: 'pane detail-pane welcome', 'aria-label': 'About this demo' },
    element('h2', {}, 'Choose a household'), element('p', {}, 'Or see how two devices stay in step:'), element('ol', {}, ...steps));
}
