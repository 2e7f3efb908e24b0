/**
 * The frame of the app: header with badge, switch and second device, and the panes for the place where the user is.
 * It does not know what the views show. The page's start builds it once the database is open.
 */

import type { Database } from 'ebbtide';
import type { Device } from './device.ts';
import { byId, element } from './dom.ts';
import { icon } from './icons.ts';
import { offlineSwitch } from './offline-switch.ts';
import { linkTo, onPlace, type Place } from './router.ts';
import { secondDeviceButton } from './second-device.ts';
import { syncBadge } from './sync-badge.ts';
import { syncPanel } from './sync-panel.ts';
import type { Context } from './views/context.ts';
import { householdDetail } from './views/household-detail.ts';
import { editHousehold, newHousehold } from './views/household-form.ts';
import { householdList } from './views/household-list.ts';
import { welcome } from './views/welcome.ts';

const PANEL = 'sync-panel';

/** Builds the frame and shows the places the user goes to. */
export function showApp(db: Database, device: Device): void {
  fillHeader(db, device);
  const main = byId('main');
  const whole = new AbortController();
  const list = householdList({ db, device, signal: whole.signal });
  let current = new AbortController();
  let isFirst = true;
  main.replaceChildren(list.node);
  onPlace((place) => {
    current.abort();
    current = new AbortController();
    list.mark('id' in place ? place.id : undefined);
    showPlace(main, list.node, place, { db, device, signal: current.signal });
    if (!isFirst) focusPane(main, place);
    isFirst = false;
  });
}

function fillHeader(db: Database, device: Device): void {
  const who = element('small', { class: 'who' }, `${device.user}’s device`);
  const isSecond = device.id === 'b';
  byId('brand').append(who);
  // With two devices side by side their landmarks need names of their own.
  byId('top').setAttribute('aria-label', `${device.user}’s device`);
  byId('main').setAttribute('aria-label', `Records on ${device.user}’s device`);
  const tools = element('div', { class: 'tools' }, offlineSwitch(db, device), isSecond ? undefined : secondDeviceButton(device));
  byId('top').append(tools, syncBadge(db, PANEL), syncPanel(db, device, PANEL));
}

function showPlace(main: HTMLElement, list: HTMLElement, place: Place, context: Context): void {
  main.dataset.at = place.at;
  while (list.nextSibling) list.nextSibling.remove();
  main.append(...detailOf(place, context));
}

function detailOf(place: Place, context: Context): HTMLElement[] {
  const back = element('a', { class: 'back', href: linkTo({ at: 'list' }) }, icon('back'), 'All households');
  switch (place.at) {
    case 'list': return [welcome()];
    case 'new': return [withBack(newHousehold(context), back)];
    case 'household': return [withBack(householdDetail(context, place.id), back)];
    case 'edit': return [withBack(editHousehold(context, place.id), back)];
  }
}

function withBack(pane: HTMLElement, back: HTMLElement): HTMLElement {
  pane.prepend(back);
  return pane;
}

/** After a move the new pane's heading gets the focus, so that keyboard and screen reader go on from there. */
function focusPane(main: HTMLElement, place: Place): void {
  const pane = place.at === 'list' ? '.list-pane' : '.detail-pane';
  main.querySelector<HTMLElement>(`${pane} h1`)?.focus({ preventScroll: true });
  if (place.at !== 'list') byId('top').scrollIntoView();
}
