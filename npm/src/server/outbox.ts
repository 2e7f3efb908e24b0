/**
 * What a space does by alarm, after its commits: deliver them to D1, in order and each step once, tell them to `onCommit`, and prune.
 * It does not know what a step says; Rust makes it. The sync path never waits for it, and no errand for another that fails.
 */
import type { Space } from '../../wasm/worker/ebbtide_worker.js';
import { Alarm } from './alarm.ts';
import { tell, type OnCommit } from './hook.ts';
import { OUTBOX_DELAY_MS, OUTBOX_RETRY_FIRST_MS, OUTBOX_RETRY_MAX_MS, OUTBOX_TURN_MS, PRUNE_EVERY_MS } from './limits.ts';
import { rust } from './module.ts';
import type { Database, ObjectStorage, ServerEnv, Statement } from './platform.ts';

type SqlCall = readonly [sql: string, ...params: (string | number | null)[]];

interface Step {
  readonly upto: readonly [seq: number, part: number];
  readonly statements: readonly SqlCall[];
  readonly findPlace: SqlCall;
}

/** Where D1 is in a space's history. */
interface Place {
  readonly seq: number;
  readonly part: number;
  readonly chain: string | null;
}

/** What D1 has of another history than the space's. */
interface Elsewhere {
  readonly from: number;
  readonly forget: SqlCall;
  readonly settle: readonly SqlCall[];
}

interface HistoryStatements {
  readonly create: readonly string[];
  readonly elsewhere: string;
}

/** Something to be done by alarm. It answers whether it is finished; what it throws is tried again later. */
interface Errand {
  readonly failed: string;
  readonly run: (space: Space) => Promise<boolean> | boolean;
  failures: number;
  /** Not tried again before. */
  restsUntil: number;
}

/** The outbox of one object. */
export class Outbox {
  readonly #alarm: Alarm;
  readonly #env: ServerEnv;
  readonly #onCommit: OnCommit<never> | undefined;
  readonly #errands: readonly Errand[];
  #openingFailures = 0;
  #pruneAt = 0;
  #tablesExist = false;

  constructor(storage: ObjectStorage, env: ServerEnv, onCommit: OnCommit<never> | undefined) {
    this.#alarm = new Alarm(storage);
    this.#env = env;
    this.#onCommit = onCommit;
    const { DB } = env;
    const errand = (failed: string, run: Errand['run']): Errand => ({ failed, run, failures: 0, restsUntil: 0 });
    this.#errands = [
      ...(DB === undefined ? [] : [errand('the history was not delivered to D1', (space) => this.#deliverSteps(DB, space))]),
      ...(onCommit === undefined ? [] : [errand('onCommit failed', (space) => tell(onCommit, env, space))]),
      errand('the space was not pruned', (space) => this.#prune(space)),
    ];
  }

  /** Called when the space opens: what was not delivered before is delivered soon. */
  opened(space: Space): void {
    if (this.#onCommit !== undefined) space.beginTelling();
    if (space.hasUndelivered(...this.#readers())) this.wake();
  }

  /** There is something to deliver, or at least to prune some day. */
  wake(): void {
    this.#alarm.arm(this.#readers().includes(true) ? OUTBOX_DELAY_MS : PRUNE_EVERY_MS);
  }

  /** Somebody speaks with the space: what is staged, too, is to be dropped if it is given up. */
  inUse(): void {
    this.#alarm.arm(PRUNE_EVERY_MS);
  }

  /** The alarm. Never throws: what fails, opening the space included, is tried again later. */
  async deliver(open: () => Promise<Space>): Promise<void> {
    this.#alarm.gone();
    try {
      const space = await open();
      this.#openingFailures = 0;
      for (const errand of this.#errands) await this.#run(errand, space);
    } catch (thrown) {
      this.#alarm.arm(retryAfter(this.#openingFailures++, 'the space was not opened', thrown));
    }
  }

  async #run(errand: Errand, space: Space): Promise<void> {
    const rest = errand.restsUntil - Date.now();
    if (rest > 0) return this.#alarm.arm(rest);
    try {
      const finished = await errand.run(space);
      errand.failures = 0;
      if (!finished) this.#alarm.arm(OUTBOX_DELAY_MS);
    } catch (thrown) {
      const wait = retryAfter(errand.failures++, errand.failed, thrown);
      errand.restsUntil = Date.now() + wait;
      this.#alarm.arm(wait);
    }
  }

  /** Who is told of commits: D1, and the app. */
  #readers(): [history: boolean, app: boolean] {
    return [this.#env.DB !== undefined, this.#onCommit !== undefined];
  }

  async #deliverSteps(db: Database, space: Space): Promise<boolean> {
    const until = Date.now() + OUTBOX_TURN_MS;
    for (let rewound = false; Date.now() < until;) {
      const step = space.nextStep(Date.now()) as Step | undefined;
      if (step === undefined) return true;
      await this.#createTables(db);
      if (await deliverStep(db, step)) space.acknowledge(...step.upto);
      else {
        const elsewhere = await findElsewhere(db, step, space);
        if (elsewhere === undefined) continue;
        // Two spaces of one name would write their histories over each other's for ever.
        if (rewound) throw new Error('D1 has the history of another space of this name: is it bound to two environments?');
        rewound = true;
        if (!await rewind(db, elsewhere, until)) return false;
      }
    }
    return false;
  }

  /** Now and then: drops what nobody needs any more, a batch at a time. */
  #prune(space: Space): boolean {
    if (Date.now() >= this.#pruneAt) {
      if (space.prune(...this.#readers(), Date.now())) return false;
      this.#pruneAt = Date.now() + PRUNE_EVERY_MS;
    }
    // Nobody may come again who would set the alarm.
    if (space.hasStaged()) this.#alarm.arm(this.#pruneAt - Date.now());
    return true;
  }

  async #createTables(db: Database): Promise<void> {
    if (this.#tablesExist) return;
    await db.batch(historyStatements().create.map((sql) => db.prepare(sql)));
    this.#tablesExist = true;
  }
}

/** How long to wait after one more failure, which is logged. */
function retryAfter(failures: number, what: string, thrown: unknown): number {
  const wait = Math.min(OUTBOX_RETRY_FIRST_MS * 2 ** failures, OUTBOX_RETRY_MAX_MS);
  console.error(`ebbtide: ${what}, again in ${wait} ms`, thrown);
  return wait;
}

/** Runs a step. `false`: D1 is not where the step begins, and nothing was changed. */
async function deliverStep(db: Database, { statements }: Step): Promise<boolean> {
  try {
    await db.batch(statements.map((call) => prepare(db, call)));
    return true;
  } catch (thrown) {
    if (String(thrown).includes(historyStatements().elsewhere)) return false;
    throw thrown;
  }
}

/** Lets the next step begin where D1 is, if it has more than the space knows, or was set back; else says what it has of another history. */
async function findElsewhere(db: Database, { findPlace }: Step, space: Space): Promise<Elsewhere | undefined> {
  const place = await prepare(db, findPlace).first<Place>() ?? { seq: 0, part: 0, chain: null };
  const elsewhere = space.resumeHistory(place.seq, place.part, place.chain) as Elsewhere | undefined;
  if (elsewhere === undefined) return undefined;
  console.warn(`ebbtide: D1 has commit ${place.seq} of another history of the space; what it has after commit ${elsewhere.from} is written anew`);
  return elsewhere;
}

/** `false`: there is more to forget than the turn has time for. It goes on where it was. */
async function rewind(db: Database, { forget, settle }: Elsewhere, until: number): Promise<boolean> {
  for (let changes = 1; changes > 0;) {
    if (Date.now() > until) return false;
    changes = (await prepare(db, forget).run()).meta.changes;
  }
  await db.batch(settle.map((call) => prepare(db, call)));
  return true;
}

function prepare(db: Database, [sql, ...params]: SqlCall): Statement {
  return db.prepare(sql).bind(...params);
}

function historyStatements(): HistoryStatements {
  return rust().historyStatements() as HistoryStatements;
}
