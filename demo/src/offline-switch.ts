/**
 * The switch that simulates going offline: it pauses sync, so that the app behaves as without a network.
 * The choice is kept for the device, because a reload does not bring a network back. The shell places it.
 */

import type { Database } from 'ebbtide';
import type { Device } from './device.ts';
import { element } from './dom.ts';
import { attempt } from './toasts.ts';

/** The switch, in the position in which it was left. */
export function offlineSwitch(db: Database, device: Device): HTMLElement {
  const key = `rounds.offline.${device.databaseName}`;
  const input = element('input', { type: 'checkbox', role: 'switch', class: 'switch' });
  const apply = () => attempt('Sync could not be switched', () => (input.checked ? db.sync.pause() : db.sync.resume()));
  input.checked = localStorage.getItem(key) === '1';
  if (input.checked) apply();
  input.addEventListener('change', () => {
    localStorage.setItem(key, input.checked ? '1' : '0');
    apply();
  });
  return element('label', { class: 'switch-label' }, input, element('span', {}, 'Work offline'));
}
