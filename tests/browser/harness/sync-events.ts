/**
 * Background Sync events on command, through the browser's debugging protocol: no network change and no waiting for the browser's mood.
 * It needs no page of the site to be open. The background tests call it.
 */
import type { BrowserContext, CDPSession } from 'playwright-core';
import { until } from './until.ts';

interface Registration {
  readonly registrationId: string;
  readonly scopeURL: string;
  readonly isDeleted: boolean;
}

/** A debugging session on an empty page, which knows the service workers of the profile. */
export class SyncEvents implements AsyncDisposable {
  readonly #session: CDPSession;
  readonly #registrations = new Map<string, Registration>();

  private constructor(session: CDPSession) {
    this.#session = session;
    session.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      for (const registration of registrations) this.#registrations.set(registration.scopeURL, registration);
    });
  }

  static async watch(context: BrowserContext): Promise<SyncEvents> {
    const page = await context.newPage();
    const events = new SyncEvents(await context.newCDPSession(page));
    await events.#session.send('ServiceWorker.enable');
    return events;
  }

  /** Lets the origin's service worker have a sync event. */
  async dispatch(origin: string, tag: string, lastChance = false): Promise<void> {
    const found = await until(`${origin} has a service worker`, () => this.#registrations.get(`${origin}/`));
    await this.#session.send('ServiceWorker.dispatchSyncEvent', { origin, registrationId: found.registrationId, tag, lastChance });
  }

  /** Ends the running service workers, so that the next event starts one cold. */
  async stopWorkers(): Promise<void> {
    await this.#session.send('ServiceWorker.stopAllWorkers');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.detach();
  }
}
