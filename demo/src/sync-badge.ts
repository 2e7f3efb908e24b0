/**
 * The badge in the header: offline, pending, or in step, in words, an icon and a colour. Pressing it opens the panel.
 * It also tells screen readers, with a short delay so that a passing state is not announced. The shell places it.
 */

import type { Database } from 'ebbtide';
import { byId, element, setText } from './dom.ts';
import { icon, type IconName } from './icons.ts';
import { describe } from './sync-words.ts';

const ANNOUNCE_AFTER_MS = 1_200;

/** The badge as a button for the panel with the given id. */
export function syncBadge(db: Database, panelId: string): HTMLElement {
  const label = element('span', { class: 'badge-label' });
  const badge = element('button', { type: 'button', class: 'badge', popovertarget: panelId, 'aria-haspopup': 'dialog' }, label);
  const announce = announcer();
  let shownIcon: IconName | undefined;
  const show = () => {
    const words = describe(db.sync.status);
    badge.dataset.tone = words.tone;
    badge.dataset.state = db.sync.status.state;
    setText(label, words.label);
    badge.setAttribute('aria-label', `Sync: ${words.label}. ${words.explanation}`);
    if (words.icon !== shownIcon) replaceIcon(badge, shownIcon = words.icon);
    announce(words.label);
  };
  db.sync.addEventListener('status', show);
  show();
  return badge;
}

function replaceIcon(badge: HTMLElement, name: IconName): void {
  badge.querySelector('.icon')?.remove();
  badge.prepend(icon(name));
}

/** Puts a text into the live region once it has stood for a while. */
function announcer(): (text: string) => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return (text) => {
    clearTimeout(timer);
    timer = setTimeout(() => setText(byId('announcer'), text), ANNOUNCE_AFTER_MS);
  };
}
