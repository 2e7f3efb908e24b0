/**
 * Several devices that come back one after the other, until all have seen everything.
 * It knows devices, not what they wrote. Tests of what concurrent writes come to use it.
 */
import type { TestDevice } from './device.ts';
import { until } from './until.ts';

/** Nobody sends or hears anything until `together`. */
export async function apart(...devices: TestDevice[]): Promise<void> {
  for (const device of devices) await device.page.evaluate(() => db.sync.pause());
}

/** Their changes are decided in the order in which they are named; afterwards all are at the same cursor. */
export async function together(...devices: TestDevice[]): Promise<void> {
  for (const device of devices) {
    await device.page.evaluate(() => db.sync.resume());
    await device.inStep();
  }
  await caughtUp(devices);
}

/** Waits until all are at the same cursor with nothing pending. */
export function caughtUp(devices: readonly TestDevice[]): Promise<boolean> {
  const places = async () => (await Promise.all(devices.map((device) => device.status()))).map(({ cursor, pending }) => `${cursor} ${pending}`);
  return until('all have seen everything', async () => new Set(await places()).size === 1);
}
