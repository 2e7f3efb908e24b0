/**
 * A question with two answers, as a modal dialog of the browser's own, so that focus and Escape work as people know them.
 * The views call it before they remove something.
 */

import { element, newId } from './dom.ts';

/** Asks; true when the person agrees, false when they cancel or press Escape. */
export function confirmed(question: string, agree: string): Promise<boolean> {
  const id = newId('question');
  const yes = element('button', { class: 'button danger', value: 'yes' }, agree);
  const no = element('button', { class: 'button quiet', value: 'no', autofocus: true }, 'Cancel');
  const form = element('form', { method: 'dialog' }, element('p', { id }, question), element('div', { class: 'actions' }, yes, no));
  const dialog = element('dialog', { class: 'dialog', 'aria-labelledby': id }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
  });
}
