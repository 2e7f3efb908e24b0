/**
 * One page's use of one database: every operation that a page may ask for.
 * It maps operations to the wasm client's verbs; how messages travel is not its business.
 * `index.ts` calls it for every message.
 */
import { EbbtideError } from '../errors.ts';
import type { Answer, Argument, OpenRequest, Operation, PlanFacts, ToPage, ToWorker, TransactionId } from '../rpc.ts';
import type { SyncInspection, SyncReport, SyncStatus } from '../types.ts';
import type { Client } from './engine.ts';
import { startEngine } from './engine.ts';
import { SyncHost } from './host.ts';
import { Later } from './later.ts';
import { holdLock } from './lock.ts';
import { Scheduler } from './scheduler.ts';
import { Watches } from './watches.ts';

type Handlers = { [Op in Operation]: (argument: Argument<Op>) => Promise<Answer<Op>> | Answer<Op> };
type Placed = { readonly transaction?: TransactionId };

/** The operations of a page on its database. */
export class Session {
  readonly #post: (message: ToPage) => void;
  readonly #scheduler = new Scheduler({ rollback: () => this.#required().rollback(), idle: () => this.#refreshLater.request() });
  readonly #watches = new Watches((sql, parameters) => this.#required().query(sql, parameters));
  readonly #refreshLater = new Later(() => this.#refresh());
  #client: Client | undefined;
  #host: SyncHost | undefined;

  constructor(post: (message: ToPage) => void) {
    this.#post = post;
  }

  /** Carries an operation out; rejects with what the wasm client threw. */
  async call<Op extends Operation>(op: Op, argument: Argument<Op>): Promise<Answer<Op>> {
    return this.#handlers[op](argument);
  }

  /** Takes note of something that needs no answer. */
  notice(message: Exclude<ToWorker, { kind: 'call' }>): void {
    switch (message.kind) {
      case 'token':
        return this.#host?.tokenCame(message);
      case 'confirmed':
        return this.#client?.confirmed(message.upto, message.accepted);
      case 'online':
        return this.#client?.setOnline(message.online);
    }
  }

  readonly #handlers: Handlers = {
    open: (request) => this.#open(request),
    exec: (call) => this.#write(call, (client) => client.exec(call.sql, call.parameters)),
    execMany: (call) => this.#write(call, (client) => client.execMany(call.sql, call.rows)),
    query: (call) => this.#write(call, (client) => client.query(call.sql, call.parameters)),
    begin: () => this.#scheduler.begin(() => this.#required().begin()),
    commit: ({ transaction }) => this.#end(transaction, (client) => client.commit()),
    rollback: ({ transaction }) => this.#end(transaction, (client) => client.rollback()),
    watch: ({ sql, parameters }) => this.#watches.add(sql, parameters, this.#required().reads(sql)),
    watchNext: ({ watch }) => this.#watches.next(watch, this.#scheduler.busy),
    unwatch: ({ watch }) => this.#watches.remove(watch),
    export: () => this.#scheduler.outside(() => this.#required().export()),
    syncNow: () => this.#sync((client) => client.syncNow()),
    plan: () => this.#plan(),
    runPlan: ({ upto }) => this.#sync((client) => client.runPlan(upto)),
    start: ({ choice }) => this.#tell((client) => client.start(choice)),
    pause: ({ paused }) => this.#pause(paused),
    inspect: () => this.#scheduler.outside(() => JSON.parse(this.#required().inspect()) as SyncInspection),
    rowLog: ({ table, key }) => this.#scheduler.outside(() => this.#required().rowLog(table, key)),
    rejected: () => this.#scheduler.outside(() => this.#required().rejected()),
    retryRejected: ({ id, edits }) => this.#change((client) => client.retryRejected(id, edits)),
    discardRejected: ({ id }) => this.#change((client) => client.discardRejected(id)),
    openConflicts: () => this.#scheduler.outside(() => this.#required().openConflicts()),
    decidedConflicts: () => this.#scheduler.outside(() => this.#required().decidedConflicts()),
    resolveConflict: ({ id, side, value }) => this.#change((client) => client.resolveConflict(id, side, value)),
    close: () => this.#close(),
  };

  async #open(request: OpenRequest): Promise<SyncStatus> {
    const { engine: module, ...options } = request;
    const host = new SyncHost(request.name, this.#post, () => this.#refreshLater.request());
    this.#host = host;
    if (request.sync !== undefined) host.prepare(request.online && !request.paused);
    const engine = await startEngine(module);
    this.#client = await engine.open(JSON.stringify(options), host);
    holdLock(request.name);
    if (request.sync !== undefined) await this.#startSync(this.#client, host);
    else if (request.storage === 'opfs') host.keepCopyFor(undefined);
    return JSON.parse(this.#client.status()) as SyncStatus;
  }

  /** What the service worker was answered comes first: it may settle what would be sent again. */
  async #startSync(client: Client, host: SyncHost): Promise<void> {
    const reply = await host.reply();
    if (reply !== undefined) {
      client.deliver(reply);
      await host.replyApplied();
    }
    client.startSync();
  }

  #sync(begin: (client: Client) => void): Promise<SyncReport> {
    const client = this.#required();
    const report = this.#host!.report();
    begin(client);
    return report;
  }

  #plan(): Promise<PlanFacts> {
    const client = this.#required();
    const plan = this.#host!.plan();
    client.plan();
    return plan;
  }

  #tell(work: (client: Client) => void): null {
    work(this.#required());
    return null;
  }

  /** Answers when nothing is left that the service worker could send; where a transaction is open, that is done at its end. */
  async #pause(paused: boolean): Promise<null> {
    this.#required().setPaused(paused);
    await this.#host?.mirrorSettled();
    return null;
  }

  async #change(work: (client: Client) => void): Promise<null> {
    await this.#scheduler.outside(() => work(this.#required()));
    this.#refreshLater.request();
    return null;
  }

  /** Every statement may write, a query with RETURNING too; only what did write concerns the sync and the live queries. */
  async #write<T>(call: Placed, work: (client: Client) => T): Promise<T> {
    const run = () => work(this.#required());
    if (call.transaction !== undefined) return this.#scheduler.inside(call.transaction, run);
    const answer = await this.#scheduler.outside(run);
    if (this.#client?.hasWritten() === true) this.#refreshLater.request();
    return answer;
  }

  #end(transaction: TransactionId, work: (client: Client) => void): null {
    this.#scheduler.end(transaction, () => work(this.#required()));
    return null;
  }

  /** Lets the sync see what was committed, then answers the live queries that it concerns. */
  #refresh(): void {
    if (this.#client === undefined || this.#scheduler.busy) return;
    this.#client.pump();
    this.#watches.touch(this.#client.takeTouched());
  }

  /** The page ends the worker when it has the answer. */
  async #close(): Promise<null> {
    await this.#scheduler.outside(() => {
      this.#watches.clear();
      this.#host?.close();
      this.#client?.close();
      this.#client?.free();
      this.#client = undefined;
    });
    await this.#host?.mirrorSettled();
    return null;
  }

  #required(): Client {
    if (this.#client !== undefined) return this.#client;
    throw new EbbtideError('database_closed', 'the database is not open');
  }
}
