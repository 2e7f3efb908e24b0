/**
 * The one alarm of an object, for the soonest of what is wanted of it. The platform keeps it over the object's lives.
 * It does not know what is done then. The outbox sets it.
 */
import { OUTBOX_DELAY_MS } from './limits.ts';
import type { ObjectStorage } from './platform.ts';

/** See the file's header. */
export class Alarm {
  readonly #storage: Pick<ObjectStorage, 'getAlarm' | 'setAlarm'>;
  #at = Infinity;

  constructor(storage: Pick<ObjectStorage, 'getAlarm' | 'setAlarm'>) {
    this.#storage = storage;
  }

  /** It goes off: another one may be set. */
  gone(): void {
    this.#at = Infinity;
  }

  /** Sets it, unless it comes sooner. */
  arm(delay: number): void {
    const at = Date.now() + delay;
    if (at >= this.#at) return;
    this.#at = at;
    this.#set(at, delay).catch((thrown: unknown) => {
      this.#at = Infinity;
      console.error('ebbtide: the alarm was not set', thrown);
    });
  }

  /**
   * An earlier life of the object may have set one that comes sooner: if each life put it off, it would never come.
   * What is wanted at once is set in the same turn as the commit that wants it, so that both are stored together.
   */
  async #set(at: number, delay: number): Promise<void> {
    const pending = delay > OUTBOX_DELAY_MS ? await this.#storage.getAlarm() : null;
    if (at > this.#at) return;
    if (pending !== null && pending <= at) this.#at = pending;
    else await this.#storage.setAlarm(at);
  }
}
