/**
 * The page's end of its database worker: starts it, numbers the calls, and starts it again after a crash or a freeze.
 * It knows operations only by name. `database.ts` and `watch.ts` call through it.
 */
import { EbbtideError } from '../errors.ts';
import { COPY_BELOW_BYTES, CRASHES_PER_MINUTE, WORKER_START_MS } from '../limits.ts';
import type { Answer, Argument, OpenRequest, Operation, ToPage, ToWorker } from '../rpc.ts';

/** What the connection asks of its owner, and tells it. */
export interface ConnectionHost {
  /** Starts a worker; it is given the open request next. */
  startWorker(): Worker;
  /** How to open the database in the new worker; what it waits for has begun when the worker was started. */
  openRequest(): Promise<OpenRequest>;
  /** The database is open in a new worker, with this status. */
  opened(status: Answer<'open'>): void;
  /** Everything from the worker that answers no call. */
  notice(message: Notice): void;
}

/** What a worker says without having been asked. */
export type Notice = Exclude<ToPage, { kind: 'answer' | 'failure' | 'crashed' | 'ready' }>;

interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (error: EbbtideError) => void;
}

interface Running {
  readonly kind: 'running';
  readonly worker: Worker;
  /** The number of its open call. */
  readonly openId: number;
  readonly opened: Promise<void>;
  /** How far it has come: its script loads, it takes the files, the database is open. */
  stage: 'loading' | 'opening' | 'open';
  /** Runs while the worker's script has not shown up. */
  readonly starting: ReturnType<typeof setTimeout>;
}

type State =
  | Running
  | { readonly kind: 'suspended' }
  | { readonly kind: 'closed'; readonly why: EbbtideError };

/** A worker with its database, replaced when it dies. */
export class Connection {
  readonly #host: ConnectionHost;
  readonly #pending = new Map<number, Pending>();
  #state: State = { kind: 'suspended' };
  #nextId = 1;
  #crashes: number[] = [];
  /** Settles when the worker of a page that was put away has let go of the files. */
  #released: Promise<void> = Promise.resolve();

  constructor(host: ConnectionHost) {
    this.#host = host;
  }

  /** Starts the first worker and opens the database in it. */
  async start(): Promise<void> {
    this.#run();
    try {
      await this.#opened();
    } catch (thrown) {
      this.#stop(EbbtideError.from(thrown));
      throw thrown;
    }
  }

  /** Carries an operation out in the worker; waits while one is being started. */
  async call<Op extends Operation>(op: Op, argument: Argument<Op>, bytes?: Uint8Array<ArrayBuffer>): Promise<Answer<Op>> {
    const opened = this.#opened();
    if (!this.#isOpen) await opened;
    return this.#send(this.#running().worker, op, argument, bytes);
  }

  /** Sends something that needs no answer, if there is a worker. */
  tell(message: Exclude<ToWorker, { kind: 'call' }>): void {
    if (this.#state.kind === 'running') this.#state.worker.postMessage(message);
  }

  /** Ends the worker because the page is being put away: its files must not stay locked. */
  suspend(): void {
    if (this.#state.kind !== 'running') return;
    const { worker, opened, openId, stage, starting } = this.#state;
    clearTimeout(starting);
    this.#state = { kind: 'suspended' };
    const cut = () => worker.terminate();
    // Ending a worker that is just acquiring its files leaves them locked in some browsers.
    if (stage === 'opening') this.#released = opened.then(cut, cut);
    else cut();
    const message = 'the page was put away while the call was under way; whether it took effect is not known';
    const suspended = new EbbtideError('page_suspended', message, { retryable: true });
    this.#rejectAll(suspended, stage === 'opening' ? openId : undefined);
  }

  /** The page is back: starts another worker. */
  resume(): void {
    void this.#released.then(() => {
      if (this.#state.kind === 'suspended') this.#run();
    });
  }

  /** Ends the worker for good. */
  close(): void {
    this.#stop(new EbbtideError('database_closed', 'the database was closed'));
  }

  get #isOpen(): boolean {
    return this.#state.kind === 'running' && this.#state.stage === 'open';
  }

  #running(): Running {
    if (this.#state.kind === 'closed') throw this.#state.why;
    if (this.#state.kind === 'suspended') this.#run();
    return this.#state as Running;
  }

  async #opened(): Promise<void> {
    await this.#running().opened;
  }

  #run(): void {
    const worker = this.#host.startWorker();
    worker.onmessage = (event: MessageEvent<ToPage>) => this.#receive(worker, event.data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#failedToLoad(worker, event.message);
    };
    const openId = this.#nextId;
    const opened = this.#answer('open').then((status) => this.#host.opened(status));
    const starting = setTimeout(() => this.#failedToLoad(worker, 'it did not start in time'), WORKER_START_MS);
    const running: Running = { kind: 'running', worker, openId, opened, stage: 'loading', starting };
    this.#state = running;
    opened.then(
      () => (running.stage = 'open'),
      // Whoever calls meets the failure there; the next call after it tries again.
      () => this.#failedToOpen(running),
    );
  }

  #failedToOpen(running: Running): void {
    clearTimeout(running.starting);
    running.worker.terminate();
    if (this.#state === running) this.#state = { kind: 'suspended' };
  }

  #send<Op extends Operation>(
    worker: Worker,
    op: Op,
    argument: Argument<Op>,
    bytes?: Uint8Array<ArrayBuffer>,
  ): Promise<Answer<Op>> {
    const id = this.#nextId;
    const answer = this.#answer<Op>(op);
    const moved = bytes !== undefined && bytes.byteLength >= COPY_BELOW_BYTES ? [bytes.buffer] : [];
    worker.postMessage({ kind: 'call', id, op, argument }, moved);
    return answer;
  }

  /** The answer to the next number. */
  #answer<Op extends Operation>(_op: Op): Promise<Answer<Op>> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as (value: never) => void, reject });
    });
  }

  /** The worker's script runs: what was sent before would be lost where it loads in several steps. */
  #ready(worker: Worker): void {
    if (this.#state.kind !== 'running' || this.#state.worker !== worker) return;
    const running = this.#state;
    clearTimeout(running.starting);
    this.#host.openRequest().then(
      (argument) => this.#sendOpen(running, argument),
      (thrown: unknown) => this.#take(running.openId)?.reject(EbbtideError.from(thrown)),
    );
  }

  #sendOpen(running: Running, argument: OpenRequest): void {
    if (this.#state !== running) return;
    running.stage = 'opening';
    running.worker.postMessage({ kind: 'call', id: running.openId, op: 'open', argument });
  }

  #receive(worker: Worker, message: ToPage): void {
    switch (message.kind) {
      case 'answer':
        return this.#take(message.id)?.resolve(message.value as never);
      case 'failure':
        return this.#take(message.id)?.reject(EbbtideError.from(message.error));
      case 'ready':
        return this.#ready(worker);
      case 'crashed':
        return this.#crashed(worker, EbbtideError.from(message.error));
      default:
        return this.#host.notice(message);
    }
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #failedToLoad(worker: Worker, cause: string): void {
    const message = 'the database worker could not be started; is `worker.js` served where `workerUrl` says?';
    this.#stop(new EbbtideError('worker_unavailable', message, { retryable: true, cause }), worker);
  }

  /** Everything under way is answered with an error; the database is opened again from what is on disk. */
  #crashed(worker: Worker, cause: EbbtideError): void {
    worker.terminate();
    if (this.#state.kind !== 'running' || this.#state.worker !== worker) return;
    const message = 'the database worker crashed; whether the call took effect is not known';
    const error = new EbbtideError('worker_crashed', message, { retryable: true, cause });
    this.#crashes = [...this.#crashes.filter((at) => at > Date.now() - 60_000), Date.now()];
    if (this.#crashes.length > CRASHES_PER_MINUTE) return this.#stop(error);
    this.#run();
    this.#rejectAll(error, (this.#state as Running).openId);
  }

  #stop(why: EbbtideError, only?: Worker): void {
    if (this.#state.kind === 'closed') return;
    if (this.#state.kind === 'running') {
      if (only !== undefined && this.#state.worker !== only) return;
      clearTimeout(this.#state.starting);
      this.#state.worker.terminate();
    }
    this.#state = { kind: 'closed', why };
    this.#rejectAll(why);
  }

  #rejectAll(error: EbbtideError, except?: number): void {
    for (const [id, pending] of [...this.#pending]) {
      if (id === except) continue;
      this.#pending.delete(id);
      pending.reject(error);
    }
  }
}
