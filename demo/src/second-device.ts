/**
 * The button that opens a second device: beside the first where there is room, otherwise in a new tab.
 * The second one is the same page with a database, a user and a device id of its own. The shell places the button.
 */

import { addressOfSecond, type Device } from './device.ts';
import { byId, element, setText } from './dom.ts';
import { icon } from './icons.ts';

/** Two apps side by side need about a phone's width each. */
const ROOM = '(min-width: 880px)';

/** The button. */
export function secondDeviceButton(device: Device): HTMLElement {
  const label = element('span', {}, 'Second device');
  const button = element('button', { type: 'button', class: 'button', 'aria-pressed': 'false' }, icon('devices'), label);
  button.addEventListener('click', () => {
    if (matchMedia(ROOM).matches || isBeside()) toggleBeside(device, button, label);
    else open(addressOfSecond(device), '_blank', 'noopener');
  });
  return button;
}

function toggleBeside(device: Device, button: HTMLElement, label: HTMLElement): void {
  const stage = byId('stage');
  if (isBeside()) document.getElementById('second')?.remove();
  else stage.append(element('iframe', { id: 'second', class: 'second', src: addressOfSecond(device), title: 'Second device' }));
  stage.classList.toggle('is-split', isBeside());
  button.setAttribute('aria-pressed', String(isBeside()));
  setText(label, isBeside() ? 'Close second device' : 'Second device');
}

function isBeside(): boolean {
  return document.getElementById('second') !== null;
}
