/**
 * Days as the database holds them (`2026-11-20`) and as people read them.
 * The views call it.
 */

const READABLE = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const DAY_MS = 86_400_000;

/** Today in the device's time zone. Sweden writes dates the ISO way. */
export function today(): string {
  return new Date().toLocaleDateString('sv-SE');
}

/** "today", "yesterday", "5 days ago", or the date. Text that is not a day comes back as it is. */
export function readableDay(day: string): string {
  const then = Date.parse(`${day}T00:00:00`);
  if (Number.isNaN(then)) return day;
  const days = Math.round((Date.parse(`${today()}T00:00:00`) - then) / DAY_MS);
  if (days === 0) return 'today';
  if (days === 1) return 'yesterday';
  return days > 1 && days < 7 ? `${days} days ago` : READABLE.format(then);
}

/** The time of day. */
export function readableTime(milliseconds: number): string {
  return TIME.format(milliseconds);
}
