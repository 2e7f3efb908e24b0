/**
 * The places of the app, as the part of the address after `#`, so that back, reload and links work without a server.
 * It does not know the views. The shell listens to it; the views link to places.
 */

/** Where the user is. */
export type Place =
  | { readonly at: 'list' }
  | { readonly at: 'new' }
  | { readonly at: 'household'; readonly id: string }
  | { readonly at: 'edit'; readonly id: string };

/** The place of an address; an unknown one is the list. */
export function placeOf(hash: string): Place {
  const [first, id, last] = hash.replace(/^#\/?/, '').split('/');
  if (first === 'new') return { at: 'new' };
  if (first === 'household' && id) return { at: last === 'edit' ? 'edit' : 'household', id: decodeURIComponent(id) };
  return { at: 'list' };
}

/** The address of a place, for links. */
export function linkTo(place: Place): string {
  switch (place.at) {
    case 'list': return '#/';
    case 'new': return '#/new';
    case 'household': return `#/household/${encodeURIComponent(place.id)}`;
    case 'edit': return `#/household/${encodeURIComponent(place.id)}/edit`;
  }
}

/** Goes to a place. */
export function goTo(place: Place): void {
  location.hash = linkTo(place);
}

/** Calls back with the place now and after each move. */
export function onPlace(arrive: (place: Place) => void): void {
  addEventListener('hashchange', () => arrive(placeOf(location.hash)));
  arrive(placeOf(location.hash));
}
