/**
 * Delivers a space's commit log to D1, by alarm: in order, each step once, however often it is tried.
 * It does not know what a step says; Rust makes it. The sync path never waits for it.
 */
import type { Space } from '../../wasm/worker/ebbtide_worker.js';
import { OUTBOX_DELAY_MS, OUTBOX_RETRY_FIRST_MS, OUTBOX_RETRY_MAX_MS, OUTBOX_TURN_MS, PRUNE_EVERY_MS } from './limits.ts';
import { rust } from './module.ts';
import type { Database, ObjectStorage } from './platform.ts';

type SqlCall = readonly [sql: string, ...params: (string | number | null)[]];

interface Step {
  readonly from: readonly [seq: number, part: number];
  readonly upto: readonly [seq: number, part: number];
  readonly statements: readonly SqlCall[];
}

interface HistoryStatements {
  readonly create: readonly string[];
  readonly alreadyApplied: string;
  readonly findStep: string;
}

/** The outbox of one object. */
export class Outbox {
  readonly #storage: ObjectStorage;
  readonly #db: Database | undefined;
  #armed = false;
  #failures = 0;
  #pruneAt = 0;
  #tablesExist = false;

  constructor(storage: ObjectStorage, db: Database | undefined) {
    this.#storage = storage;
    this.#db = db;
  }

  /** There is something to deliver, or at least, without a D1 binding, to prune some day. */
  wake(): void {
    if (!this.#armed) this.#arm(this.#db === undefined ? PRUNE_EVERY_MS : OUTBOX_DELAY_MS);
  }

  /** The alarm. Never throws: what fails, opening the space included, is tried again later. */
  async deliver(open: () => Promise<Space>): Promise<void> {
    this.#armed = false;
    try {
      const space = await open();
      const finished = this.#db === undefined || (await this.#deliverSteps(this.#db, space));
      const pruned = finished && this.#prune(space);
      this.#failures = 0;
      if (!finished || !pruned) this.#arm(OUTBOX_DELAY_MS);
    } catch (thrown) {
      const wait = Math.min(OUTBOX_RETRY_FIRST_MS * 2 ** this.#failures, OUTBOX_RETRY_MAX_MS);
      this.#failures += 1;
      console.error(`ebbtide: the outbox was not delivered, again in ${wait} ms`, thrown);
      this.#arm(wait);
    }
  }

  async #deliverSteps(db: Database, space: Space): Promise<boolean> {
    const until = Date.now() + OUTBOX_TURN_MS;
    while (Date.now() < until) {
      const step = space.nextStep(Date.now()) as Step | undefined;
      if (step === undefined) return true;
      await this.#createTables(db);
      const [seq, part] = await deliverStep(db, step);
      space.acknowledge(seq, part);
    }
    return false;
  }

  /** Now and then: drops what nobody needs any more, a batch at a time. */
  #prune(space: Space): boolean {
    if (Date.now() < this.#pruneAt) return true;
    const more = space.prune(this.#db !== undefined, Date.now());
    if (!more) this.#pruneAt = Date.now() + PRUNE_EVERY_MS;
    return !more;
  }

  async #createTables(db: Database): Promise<void> {
    if (this.#tablesExist) return;
    await db.batch(historyStatements().create.map((sql) => db.prepare(sql)));
    this.#tablesExist = true;
  }

  #arm(delay: number): void {
    this.#armed = true;
    this.#storage.setAlarm(Date.now() + delay).catch((thrown: unknown) => {
      this.#armed = false;
      console.error('ebbtide: the alarm was not set', thrown);
    });
  }
}

/** Runs a step, or finds out how far it went when it ran before. */
async function deliverStep(db: Database, { from, upto, statements }: Step): Promise<readonly [number, number]> {
  const { alreadyApplied, findStep } = historyStatements();
  try {
    await db.batch(statements.map(([sql, ...params]) => db.prepare(sql).bind(...params)));
    return upto;
  } catch (thrown) {
    if (!String(thrown).includes(alreadyApplied)) throw thrown;
    const space = statements[0]?.[1] ?? null;
    const row = await db.prepare(findStep).bind(space, ...from).first<{ upto_seq: number; upto_part: number }>();
    if (row === null) throw thrown;
    return [row.upto_seq, row.upto_part];
  }
}

function historyStatements(): HistoryStatements {
  return rust().historyStatements() as HistoryStatements;
}
