/**
 * The page's start: service worker, database, then the app; a problem with the database is shown in its place.
 * It knows the order of these steps and none of their contents.
 */

import { openDatabase } from './database.ts';
import { deviceOf } from './device.ts';
import { loadFacilities } from './facilities.ts';
import { keepForOffline } from './new-version.ts';
import { showOpeningProblem } from './opening-problem.ts';
import { showApp } from './shell.ts';
import { attempt } from './toasts.ts';

attempt('The app could not be kept for offline use', keepForOffline);
const device = deviceOf(location.search);
if (device.id === 'b') document.title = 'Rounds, second device';
try {
  const db = await openDatabase(device);
  showApp(db, device);
  attempt('The list of facilities could not be loaded', () => loadFacilities(db));
} catch (error) {
  showOpeningProblem(error);
}
