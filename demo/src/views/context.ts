/**
 * What every view is given: the database, the device it stands for, and a signal that ends it.
 * The shell makes one for each place the user goes to.
 */

import type { Database } from 'ebbtide';
import type { Device } from '../device.ts';

export interface Context {
  readonly db: Database;
  readonly device: Device;
  /** Aborted when the view goes away; its queries stop then. */
  readonly signal: AbortSignal;
}
