/**
 * The service worker of the tests: nothing but Ebbtide's background sync.
 * The harness bundles it beside the page.
 */
import { installBackgroundSync } from 'ebbtide/service-worker';

installBackgroundSync(self);
