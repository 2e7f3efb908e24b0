/**
 * The database worker's side of the mailbox: the ready-made request that the service worker sends when no page does.
 * It only helps things along: a failure here is reported to the console and never fails a write or a sync.
 * `host.ts` calls it.
 */
import { Mailbox, type OutboxRecord } from '../service-worker/mailbox.ts';

/** The copy of one database's waiting changesets. The newest wins; older ones that are not written yet are skipped. */
export class Mirror {
  readonly #databaseName: string;
  readonly #written: () => void;
  #next: OutboxRecord | 'nothing' | undefined;
  #work = Promise.resolve();
  #lastAt = 0;
  #opened: Promise<Mailbox> | undefined;

  constructor(databaseName: string, written: () => void) {
    this.#databaseName = databaseName;
    this.#written = written;
  }

  /** Opens the mailbox for whoever looks into it first: it has to be made in a browser that is new to the app. */
  prepare(): void {
    this.#opened = Mailbox.open();
    // Who uses it meets its failure.
    this.#opened.catch(() => undefined);
  }

  /** Replaces the request; an empty body removes it. */
  replace(url: string, headers: Record<string, string>, body: Uint8Array<ArrayBuffer>): void {
    this.#lastAt = Math.max(Date.now(), this.#lastAt + 1);
    this.#next = body.length === 0 ? 'nothing' : { url, headers, body, updatedAt: this.#lastAt };
    this.#work = this.#work.then(() => this.#write());
  }

  /** Removes a request that goes to another address, or any where there is none: the app has turned elsewhere. */
  keepFor(url: string | undefined): void {
    this.#work = this.#work.then(() => this.#use(undefined, async (mailbox) => {
      const waiting = await mailbox.outgoing(this.#databaseName);
      if (waiting !== undefined && waiting.url !== url) await mailbox.post(this.#databaseName, undefined);
    }, url === undefined));
  }

  /** Fulfilled when everything that was asked for is done, or has failed. */
  settled(): Promise<void> {
    return this.#work;
  }

  /** The reply to a former request, if the service worker left one. */
  reply(): Promise<Uint8Array | undefined> {
    return this.#use(undefined, async (mailbox) => (await mailbox.reply(this.#databaseName))?.body);
  }

  /** Removes it. */
  discardReply(): Promise<void> {
    return this.#use(undefined, (mailbox) => mailbox.discardReply(this.#databaseName));
  }

  async #write(): Promise<void> {
    const next = this.#next;
    this.#next = undefined;
    if (next === undefined) return;
    const record = next === 'nothing' ? undefined : next;
    await this.#use(undefined, async (mailbox) => {
      await mailbox.post(this.#databaseName, record);
      if (record !== undefined) this.#written();
    });
  }

  async #use<T>(otherwise: T, work: (mailbox: Mailbox) => Promise<T>, onlyIfThere = false): Promise<T> {
    try {
      // An app that never synced gets no mailbox.
      if (onlyIfThere && !(await Mailbox.exists())) return otherwise;
      const opened = this.#opened ?? Mailbox.open();
      this.#opened = undefined;
      const mailbox = await opened;
      try {
        return await work(mailbox);
      } finally {
        mailbox[Symbol.dispose]();
      }
    } catch (error) {
      console.warn('ebbtide: the copy for background sync cannot be used', error);
      return otherwise;
    }
  }
}
