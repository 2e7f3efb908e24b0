/**
 * `db.sync`: the status with its events, and the app's wishes.
 * It mirrors what the worker says and decides nothing. `open.ts` makes it and hands it what the worker says.
 */
import { EbbtideError } from '../errors.ts';
import { requestBackgroundSync } from '../service-worker/register.ts';
import type { RunnableSyncPlan, StartChoice, Sync, SyncEventMap, SyncInspection, SyncReport, SyncStatus } from '../types.ts';
import type { Connection, Notice } from './connection.ts';
import { planOf } from './plan.ts';

/** The page's view of the sync. */
export class PageSync extends EventTarget implements Sync {
  readonly #connection: Connection;
  readonly #databaseName: string;
  readonly #isLocal: boolean;
  #status: SyncStatus;
  #isPaused = false;
  #startChoice: StartChoice | undefined;

  constructor(connection: Connection, databaseName: string, isLocal: boolean) {
    super();
    this.#connection = connection;
    this.#databaseName = databaseName;
    this.#isLocal = isLocal;
    this.#status = Object.freeze({ ...NOTHING_YET, state: isLocal ? 'local' : 'offline', online: navigator.onLine });
  }

  get status(): SyncStatus {
    return this.#status;
  }

  /** What a worker that replaces another must be told. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** What the app has chosen since it opened; a worker that replaces another must be told. */
  get startChoice(): StartChoice | undefined {
    return this.#startChoice;
  }

  async now(options: { readonly signal?: AbortSignal } = {}): Promise<SyncReport> {
    this.#requireSync('now');
    options.signal?.throwIfAborted();
    const report = this.#connection.call('syncNow', null);
    return options.signal === undefined ? report : Promise.race([report, aborted(options.signal, report)]);
  }

  async plan(): Promise<RunnableSyncPlan> {
    this.#requireSync('plan');
    const facts = await this.#connection.call('plan', null);
    return { ...planOf(facts), run: () => this.#connection.call('runPlan', { upto: facts.upto }) };
  }

  async start(choice: StartChoice): Promise<void> {
    this.#requireSync('start');
    if (!isStartChoice(choice)) throw new EbbtideError('bad_parameter', "sync.start(): it is 'seed', 'merge' or 'take'");
    this.#startChoice = choice;
    await this.#connection.call('start', { choice });
  }

  async pause(): Promise<void> {
    this.#requireSync('pause');
    this.#isPaused = true;
    await this.#connection.call('pause', { paused: true });
  }

  async resume(): Promise<void> {
    this.#requireSync('resume');
    this.#isPaused = false;
    await this.#connection.call('pause', { paused: false });
  }

  inspect(): Promise<SyncInspection> {
    return this.#connection.call('inspect', null);
  }

  /** Takes a new status over; tells those who listen only if it differs. */
  update(status: SyncStatus): void {
    if (JSON.stringify(status) === JSON.stringify(this.#status)) return;
    this.#status = Object.freeze(status);
    this.#tell('status', this.#status);
  }

  /** Takes over what the worker says of the sync. */
  receive(notice: Notice): void {
    switch (notice.kind) {
      case 'status':
        return this.update(notice.status);
      case 'fault':
        return this.update({ ...this.#status, state: 'error', reason: notice.code, nextRetryAt: notice.nextRetryAt });
      case 'applied':
        return this.#tell('applied', { seq: notice.seq });
      case 'rejected':
        return this.#tell('rejected', { id: notice.id });
      case 'conflict':
        return this.#tell('conflict', { count: notice.count, open: notice.open });
      case 'resolved':
        return this.#tell('resolved', { conflicts: notice.conflicts });
      case 'recovered':
        return this.#tell('recovered', { code: notice.code });
      case 'mirrored':
        return this.#wakeServiceWorker();
      case 'wantToken':
      case 'wantConfirm':
        return;
    }
  }

  #tell<K extends keyof SyncEventMap>(type: K, detail: SyncEventMap[K]['detail']): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** Background sync only helps: without it the database sends when it is open again. */
  #wakeServiceWorker(): void {
    requestBackgroundSync(this.#databaseName).catch((error: unknown) => {
      console.warn('ebbtide: background sync could not be registered', error);
    });
  }

  #requireSync(verb: string): void {
    if (!this.#isLocal) return;
    throw new EbbtideError('not_syncing', `sync.${verb}(): the database was opened without \`sync\``);
  }
}

/** Whether it is a choice at all: apps without types may pass anything. */
export function isStartChoice(choice: unknown): choice is StartChoice {
  return choice === 'seed' || choice === 'merge' || choice === 'take';
}

const NOTHING_YET = { pending: 0, failed: 0, blocked: 0, conflicts: 0, cursor: 0 } as const;

/** Rejects when the signal aborts, unless the report comes first; the sync itself goes on. */
function aborted(signal: AbortSignal, report: Promise<unknown>): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const forget = () => signal.removeEventListener('abort', onAbort);
    report.then(forget, forget);
  });
}
