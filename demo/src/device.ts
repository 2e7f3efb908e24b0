/**
 * Which device this page stands for: the browser itself, or the second device that the demo opens beside it.
 * Each has its own database, hence its own device id; it knows nothing of how they sync. The page's start reads it once.
 */

/** One of the two devices of the demo. */
export interface Device {
  readonly id: 'a' | 'b';
  /** Who works with it; recorded with each visit and the subject of its token. */
  readonly user: string;
  readonly space: string;
  readonly databaseName: string;
}

const USERS = { a: 'Amina', b: 'Blessings' } as const;
const SPACE = /^[a-z0-9-]{1,40}$/;
const DEFAULT_SPACE = 'clinic-7';

/** Reads `?device=b` and `?space=…`; anything else in them means the first device and the usual space. */
export function deviceOf(search: string): Device {
  const parameters = new URLSearchParams(search);
  const id = parameters.get('device') === 'b' ? 'b' : 'a';
  const wanted = parameters.get('space') ?? DEFAULT_SPACE;
  const space = SPACE.test(wanted) ? wanted : DEFAULT_SPACE;
  return { id, space, user: USERS[id], databaseName: `rounds-${space}-${id}` };
}

/** The address of the other device in the same space. */
export function addressOfSecond(device: Device): string {
  return `/?${new URLSearchParams({ device: 'b', space: device.space })}`;
}
