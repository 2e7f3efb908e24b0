/**
 * The demo's icons, drawn on a grid of 24. They are decoration: the words beside them carry the meaning.
 * The views call it.
 */

const PATHS = {
  back: 'M14.5 5.5 8 12l6.5 6.5',
  check: 'M5 12.5 10 17.5 19.5 7',
  devices: 'M3.5 5h11v9h-11z M6 18h6 M9 14v4 M16.5 8.5h4v10h-4z',
  minus: 'M6 12h12',
  offline: 'M4 4 20 20 M7 9.5A4.5 4.5 0 0 0 8 18.5h9 M10.5 6.8A5 5 0 0 1 17 11.5a3.5 3.5 0 0 1 2.6 5.6',
  pencil: 'M5 19l1-4L15.5 5.5l3 3L9 18z',
  plus: 'M12 6v12 M6 12h12',
  search: 'M10.5 5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11z M14.8 14.8 20 20',
  syncing: 'M5 9.5A7.5 7.5 0 0 1 18.5 8 M18.5 4v4h-4 M19 14.5A7.5 7.5 0 0 1 5.5 16 M5.5 20v-4h4',
  trash: 'M5 7h14 M9.5 7V5h5v2 M7 7l.8 12h8.4L17 7',
  waiting: 'M12 5a7 7 0 1 0 0 14 7 7 0 0 0 0-14z M12 8.5V12l2.5 2',
  warning: 'M12 4.5 20.5 19h-17z M12 10v4 M12 16.5v.2',
} as const;

export type IconName = keyof typeof PATHS;

const SVG = 'http://www.w3.org/2000/svg';

/** An icon of the text's size and colour, hidden from assistive technology. */
export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(path);
  return svg;
}
