/**
 * What the wasm client asks of the worker script: a token from the page, news for it, the service worker's copy.
 * It knows messages and the mailbox, nothing of the conversation. The other end is `wasm-client/src/sync/host.rs`.
 */
import { EbbtideError, type ErrorFacts } from '../errors.ts';
import type { PlanFacts, ToPage, ToWorker } from '../rpc.ts';
import type { SyncReport, SyncStatus } from '../types.ts';
import { Mirror } from './mirror.ts';
import { failureOf } from './failures.ts';

type Waiter<T> = { readonly resolve: (answer: T) => void; readonly reject: (error: EbbtideError) => void };

/** The object that the wasm client is given. */
export class SyncHost {
  readonly #post: (message: ToPage) => void;
  readonly #changed: () => void;
  readonly #mirror: Mirror;
  readonly #waiters: Waiter<SyncReport>[] = [];
  readonly #planners: Waiter<PlanFacts>[] = [];
  readonly #tokens = new Map<number, { resolve: (token: string) => void; reject: (facts: ErrorFacts) => void }>();
  #token: Promise<string> | undefined;
  #nextToken = 1;

  constructor(databaseName: string, post: (message: ToPage) => void, changed: () => void) {
    this.#post = post;
    this.#changed = changed;
    this.#mirror = new Mirror(databaseName, () => post({ kind: 'mirrored' }));
  }

  /** Begins, while the database is being opened, what the sync is going to wait for first. */
  prepare(connects: boolean): void {
    this.#mirror.prepare();
    if (!connects) return;
    this.#token = this.#askToken();
    // Whoever asks for it meets its failure.
    this.#token.catch(() => undefined);
  }

  /** Asks the page for a token; asking again while it looks for one waits for the same. */
  token(): Promise<string> {
    const token = (this.#token ??= this.#askToken());
    return token.finally(() => {
      if (this.#token === token) this.#token = undefined;
    });
  }

  /** The page's answer. */
  tokenCame(message: Extract<ToWorker, { kind: 'token' }>): void {
    const waiting = this.#tokens.get(message.id);
    this.#tokens.delete(message.id);
    if (message.token !== undefined) waiting?.resolve(message.token);
    else waiting?.reject(message.error ?? { code: 'token_failed', message: 'no token', retryable: false });
  }

  /** The next report of a `sync.now()`. */
  report(): Promise<SyncReport> {
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** The next plan. */
  plan(): Promise<PlanFacts> {
    return new Promise((resolve, reject) => this.#planners.push({ resolve, reject }));
  }

  /** The plan that was asked for. */
  planned(facts: string, merged: Uint8Array, refused: Uint8Array): void {
    const plan = planFacts(facts, merged, refused);
    for (const planner of this.#planners.splice(0)) planner.resolve(plan);
  }

  /** The wasm client asks whether this may be committed; the page answers it. */
  confirm(facts: string, merged: Uint8Array, refused: Uint8Array): void {
    this.#post({ kind: 'wantConfirm', plan: planFacts(facts, merged, refused) });
  }

  /** News from the wasm client. */
  notice(kind: string, json: string): void {
    const news: unknown = JSON.parse(json);
    switch (kind) {
      case 'report':
        return this.#settle((waiter) => waiter.resolve(news as SyncReport));
      case 'failed':
        return this.#settle((waiter) => waiter.reject(failureOf(news as ErrorFacts)));
      case 'planFailed':
        return this.#failPlans(failureOf(news as ErrorFacts));
      case 'fault':
        return this.#fault(news as ErrorFacts & { nextRetryAt: number });
      case 'status':
        return this.#post({ kind, status: news as SyncStatus });
      default:
        return this.#post({ kind, ...(news as object) } as ToPage);
    }
  }

  /** Rows changed that the page did not write. */
  changed(): void {
    this.#changed();
  }

  /** What the service worker should send if no page does. */
  mirror(url: string, headers: string, body: Uint8Array<ArrayBuffer>): void {
    this.#mirror.replace(url, JSON.parse(headers) as Record<string, string>, body);
  }

  /** A request that goes anywhere else, or any where there is no address, is not to be sent any more. */
  keepCopyFor(url: string | undefined): void {
    this.#mirror.keepFor(url);
  }

  /** Fulfilled when the service worker's copy is as it was last asked for. */
  mirrorSettled(): Promise<void> {
    return this.#mirror.settled();
  }

  /** The reply that the service worker got while no page was there. */
  reply(): Promise<Uint8Array | undefined> {
    return this.#mirror.reply();
  }

  /** The reply has been applied. */
  replyApplied(): Promise<void> {
    return this.#mirror.discardReply();
  }

  /** Whoever waits for a report waits in vain. */
  close(): void {
    const closed = new EbbtideError('database_closed', 'the database was closed');
    this.#settle((waiter) => waiter.reject(closed));
    this.#failPlans(closed);
  }

  #askToken(): Promise<string> {
    const id = this.#nextToken++;
    this.#post({ kind: 'wantToken', id });
    return new Promise((resolve, reject) => this.#tokens.set(id, { resolve, reject }));
  }

  #fault(fault: ErrorFacts & { nextRetryAt: number }): void {
    const error = EbbtideError.from(fault);
    this.#settle((waiter) => waiter.reject(error));
    this.#failPlans(error);
    this.#post({ kind: 'fault', code: fault.code, nextRetryAt: fault.nextRetryAt });
  }

  #failPlans(error: EbbtideError): void {
    for (const planner of this.#planners.splice(0)) planner.reject(error);
  }

  #settle(tell: (waiter: Waiter<SyncReport>) => void): void {
    for (const waiter of this.#waiters.splice(0)) tell(waiter);
  }
}

function planFacts(facts: string, merged: Uint8Array, refused: Uint8Array): PlanFacts {
  return { ...(JSON.parse(facts) as Omit<PlanFacts, 'merged' | 'refused'>), merged, refused };
}
