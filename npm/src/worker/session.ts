/**
 * One page's use of one database: every operation that a page may ask for.
 * It maps operations to the wasm client's verbs; how messages travel is not its business.
 * `index.ts` calls it for every message.
 */
import { EbbtideError } from '../errors.ts';
import type { Answer, Argument, OpenRequest, Operation, ToPage, ToWorker, TransactionId } from '../rpc.ts';
import type { Client } from './engine.ts';
import { startEngine } from './engine.ts';
import { Later } from './later.ts';
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

  constructor(post: (message: ToPage) => void) {
    this.#post = post;
  }

  /** Carries an operation out; rejects with what the wasm client threw. */
  async call<Op extends Operation>(op: Op, argument: Argument<Op>): Promise<Answer<Op>> {
    return this.#handlers[op](argument);
  }

  /** Takes note of something that needs no answer. */
  notice(message: Exclude<ToWorker, { kind: 'call' }>): void {
    void this.#post;
    void message;
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
    export: () => this.#scheduler.outside(() => this.#required().export() as Uint8Array<ArrayBuffer>),
    close: () => this.#scheduler.outside(() => this.#close()),
  };

  async #open(request: OpenRequest): Promise<null> {
    const { wasmUrl, name, schema, storage, durability } = request;
    const engine = await startEngine(wasmUrl);
    this.#client = await engine.open(JSON.stringify({ name, schema, storage, durability }));
    return null;
  }

  /** Every statement may write, a query with RETURNING too. */
  async #write<T>(call: Placed, work: (client: Client) => T): Promise<T> {
    const run = () => work(this.#required());
    if (call.transaction !== undefined) return this.#scheduler.inside(call.transaction, run);
    const answer = await this.#scheduler.outside(run);
    this.#refreshLater.request();
    return answer;
  }

  #end(transaction: TransactionId, work: (client: Client) => void): null {
    this.#scheduler.end(transaction, () => work(this.#required()));
    return null;
  }

  /** Marks the live queries whose tables were committed to, and answers those that are being waited for. */
  #refresh(): void {
    if (this.#client !== undefined && !this.#scheduler.busy) this.#watches.touch(this.#client.takeTouched());
  }

  #close(): null {
    this.#watches.clear();
    this.#client?.close();
    this.#client?.free();
    this.#client = undefined;
    return null;
  }

  #required(): Client {
    if (this.#client !== undefined) return this.#client;
    throw new EbbtideError('database_closed', 'the database is not open');
  }
}
