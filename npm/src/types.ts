/**
 * The public types of the package, written by hand in one place.
 * They are the contract: names may gain options but do not change meaning. `npm/api-report.md` shows them as they are published.
 */
import type { Cell, Parameter } from './cells.ts';

export type { Cell, Parameter };

/** A schema as `defineSchema` returns it. */
export interface SchemaDefinition {
  /** Append-only; the schema's version is how many of them are applied. */
  readonly migrations: readonly (string | { readonly sql: string; readonly on: 'client' } | RenamingMigration)[];
  /** Synced tables by name. Tables not named stay local. */
  readonly tables: Readonly<Record<string, TableRules>>;
}

/** A migration after which tables or columns go on under other names. */
export interface RenamingMigration {
  /** The statements, which run on both sides. */
  readonly sql: string;
  /** A table's old name to its new one, and `new_table.old_column` to the column's new name. */
  readonly renames: Readonly<Record<string, string>>;
}

/** The rules of a synced table. */
export interface TableRules {
  /** How concurrent writes to a column merge; default `lww`. */
  readonly merge?: Readonly<Record<string, string>>;
  /** What becomes of a row that one device deletes while another edits it; default `wins`. */
  readonly delete?: 'wins' | 'keep' | 'review';
  /**
   * `atomic`: concurrent writes to a row merge as a whole, by `lww` or, where `merge` gives it to any of the columns, by `server`
   * or `review`. No other strategy goes with it.
   */
  readonly row?: 'atomic';
  /** `natural` allows a rowid alias (`INTEGER PRIMARY KEY`) as the key. */
  readonly key?: 'natural';
}

/** What `open` takes. */
export interface OpenOptions {
  /** Which database of this origin: 1 to 80 characters. */
  readonly name: string;
  readonly schema: SchemaDefinition;
  /** `opfs` (default) keeps it on the device. `memory` keeps nothing, and is never chosen for you. */
  readonly storage?: 'opfs' | 'memory';
  /** `full` (default): a write that returned survives a power cut. `relaxed`: a power cut may take the last writes. */
  readonly durability?: 'full' | 'relaxed';
  /** With whom to keep in step. Leave it out for a purely local database; it can be added later. */
  readonly sync?: SyncOptions;
  /**
   * Asked once for each conflict that waits for a person, while the database is open: a resolution, or `undefined` to leave it.
   * What it throws is reported to the page, and the conflict stays open.
   */
  readonly resolve?: (conflict: OpenConflict) => Resolution | undefined | Promise<Resolution | undefined>;
  /** Where the package's `worker.js` is served, if not beside its main module. */
  readonly workerUrl?: string | URL;
  /** Where the package's `ebbtide_client_bg.wasm` is served, if not beside its main module. */
  readonly wasmUrl?: string | URL;
}

/** How a database is kept in step. */
export interface SyncOptions {
  /** The app's Worker with its prefix, e.g. `https://…/ebbtide`. Relative URLs are of the page. */
  readonly url: string | URL;
  /**
   * The unit of sync that this database belongs to. The first that it is in step with stays its own: opened for another one it says
   * `other_space` and sends nothing. Open a database of another name for that.
   */
  readonly space: string;
  /** A token for the space. Asked for when the former one is refused; may ask the app's own server. */
  readonly token: () => string | Promise<string>;
  /** `always` sends even small changesets in two phases. Default `auto`. */
  readonly twoPhase?: 'auto' | 'always';
  /**
   * Asked before changes of this device are committed, which then takes two phases. `false`, or a throw, leaves them pending with
   * the reason `not_confirmed`; it is asked again when there is more to send, and by `sync.now()`.
   */
  readonly confirm?: (plan: SyncPlan) => boolean | Promise<boolean>;
  /** What becomes of rows that were written before there was a space. Default `seed`. It matters only while there are such rows. */
  readonly start?: StartChoice;
}

/**
 * What becomes of what was written before a database, or a table that joins `tables` later, was kept in step.
 * `seed`: it goes to the space if that has nothing yet; otherwise the sync waits with the reason `sync_choice_needed`.
 * `merge`: it goes to the space and meets what is there as concurrent writes do, field by field.
 * `take`: what the space has replaces it; it is listed in `db.rejected` with the reason `replaced`.
 */
export type StartChoice = 'seed' | 'merge' | 'take';

/** A row as an object: column name to value. */
export type Row = Record<string, Cell>;

/** What a statement did. */
export interface ExecResult {
  /** Rows inserted, updated or deleted. */
  readonly changes: number;
}

/** What can be done with SQL, in a transaction or outside. */
export interface Statements {
  /** Runs one statement. Outside `transaction` it is a transaction of its own, durable when the promise resolves. */
  exec(sql: string, parameters?: readonly Parameter[]): Promise<ExecResult>;
  /** Runs one statement for each row of parameters: one transaction, one crossing. */
  execMany(sql: string, rows: readonly (readonly Parameter[])[]): Promise<ExecResult>;
  /** Runs one statement and answers its rows. */
  query<R = Row>(sql: string, parameters?: readonly Parameter[]): Promise<R[]>;
  /** Its first row, or undefined. */
  get<R = Row>(sql: string, parameters?: readonly Parameter[]): Promise<R | undefined>;
}

/** The open transaction of `Database.transaction`. */
export interface Transaction extends Statements {}

/** An open database. */
export interface Database extends Statements, AsyncDisposable {
  readonly name: string;
  /** Keeping in step with the space. */
  readonly sync: Sync;
  /** Transactions that the space refused. */
  readonly rejected: Rejected;
  /** Values that met without having seen each other. */
  readonly conflicts: Conflicts;
  /** What this device knows of a row's history. */
  readonly log: Log;
  /** The change history that the server keeps. */
  readonly audit: Audit;

  /**
   * Runs `body` in one transaction and commits when it resolves; a throw rolls back and is passed on.
   *
   * Everything else waits until it ends, calls on the database itself included: inside, use only `tx`.
   * If nothing happens in it for five seconds it is rolled back with `transaction_timeout`.
   */
  transaction<T>(body: (tx: Transaction) => Promise<T> | T): Promise<T>;

  /** The rows now, and again whenever what is committed changes them, by whomever. A slow reader gets the latest only. */
  watch<R = Row>(sql: string, parameters?: readonly Parameter[], options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<R[]>;

  /** The database as the bytes of a SQLite file. */
  export(): Promise<Uint8Array<ArrayBuffer>>;

  /** Closes it and lets go of its files. Closing twice does nothing. */
  close(): Promise<void>;
}

/** Why a database is not in step. */
export type SyncReason = string;

/** How far the database is in step. */
export interface SyncStatus {
  readonly state: 'local' | 'offline' | 'connecting' | 'syncing' | 'idle' | 'paused' | 'error';
  /** A code such as `signed_out` or `waiting_for_server`, where the state needs one. */
  readonly reason?: SyncReason;
  /** Whether the browser believes to have a network. */
  readonly online: boolean;
  /** Transactions committed here and not yet decided by the space. */
  readonly pending: number;
  /** Transactions listed in `rejected`. */
  readonly failed: number;
  /** Pending transactions that are out of the view for now. */
  readonly blocked: number;
  /** Conflicts that wait for a person. */
  readonly conflicts: number;
  /** The commit up to which everything is applied. */
  readonly cursor: number;
  /** When the database was last known to be in step, in milliseconds since 1970. */
  readonly lastSyncAt?: number;
  /** When the next attempt to connect is made. */
  readonly nextRetryAt?: number;
  /** How far a long exchange has come, while one goes on: sent in bytes, received in commits. */
  readonly progress?: { readonly phase: 'sending' | 'receiving'; readonly done: number; readonly total: number };
}

/** What a `sync.now()` did. */
export interface SyncReport {
  /** Transactions decided by the space. */
  readonly sent: number;
  /** Commits of others applied. */
  readonly received: number;
  /** Application payload sent, in bytes. */
  readonly bytesUp: number;
  /** Application payload received, in bytes. */
  readonly bytesDown: number;
  /** Values that met unseen: decided by a rule, or opened for a person. */
  readonly conflicts: number;
  /** Conflicts decided by a rule or by a person, those opened earlier included. */
  readonly conflictsResolved: number;
  /** Transactions that the space refused. */
  readonly errors: number;
  /** Connections that failed on the way. */
  readonly retries: number;
  readonly durationMs: number;
}

/** Rows of one table, a transaction or commit at a time. */
export interface PlannedRows {
  readonly table: string;
  readonly inserts: number;
  readonly updates: number;
  readonly deletes: number;
}

/** A value that would be overwritten, or not taken, without its writer having seen the other. */
export interface PlannedMerge {
  readonly table: string;
  readonly key: readonly Cell[];
  /** Absent where a whole row is concerned. */
  readonly column?: string;
  /** Which side the field's rule keeps: what is there, or what this device would send. */
  readonly kept: 'incumbent' | 'challenger';
  /** The value that would lose. */
  readonly lost: Cell;
}

/** A transaction that would be refused. */
export interface PlannedRefusal {
  /** As in `RejectedTransaction`. */
  readonly reason: string;
  /** What and where, for a person. */
  readonly detail: string;
  readonly changes: readonly ChangeSummary[];
}

/** What a sync would do if it happened now. It changes nothing and promises nothing: others may write meanwhile. */
export interface SyncPlan {
  /** What would go up. */
  readonly sent: { readonly transactions: number; readonly bytes: number; readonly tables: readonly PlannedRows[] };
  /** What would come down: commits of others; `more` of the space's commits lie beyond those that were looked at. */
  readonly received: { readonly commits: number; readonly bytes: number; readonly more: number; readonly tables: readonly PlannedRows[] };
  /** Values that would meet another that their writer had not seen, or the first of them. */
  readonly merged: readonly PlannedMerge[];
  /** How many of those there are in all. */
  readonly conflicts: number;
  /** How many conflicts would wait for a person. */
  readonly review: number;
  readonly refused: readonly PlannedRefusal[];
  /** False where something was too much to be looked at or listed whole. */
  readonly complete: boolean;
}

/** A plan that can be carried out. */
export interface RunnableSyncPlan extends SyncPlan {
  /** Syncs as `sync.now()` does, also while the sync is paused, and is the consent to what was planned. */
  run(): Promise<SyncReport>;
}

/** What `sync` tells of itself. */
export interface SyncEventMap {
  /** `sync.status` has changed; `detail` is the new one. */
  status: CustomEvent<SyncStatus>;
  /** A commit of the space was applied here. */
  applied: CustomEvent<{ readonly seq: number }>;
  /** The space refused a transaction; `db.rejected` has it. */
  rejected: CustomEvent<{ readonly id: string }>;
  /** Values met unseen; `open` has the ids of those that wait for a person. */
  conflict: CustomEvent<{ readonly count: number; readonly open: readonly string[] }>;
  /** Conflicts wait no longer. */
  resolved: CustomEvent<{ readonly conflicts: readonly ClosedConflict[] }>;
  /** The database, or the space, had been set back or copied. The device goes on under a new id; nothing that waited is lost. */
  recovered: CustomEvent<{ readonly code: string }>;
}

/** Keeping in step. */
export interface Sync extends EventTarget {
  readonly status: SyncStatus;
  /** Sends and receives until up to date. */
  now(options?: { readonly signal?: AbortSignal }): Promise<SyncReport>;
  /** What a sync would do, told without doing it; also while paused. Offline it rejects with a retryable error. */
  plan(): Promise<RunnableSyncPlan>;
  /** Says what becomes of rows that were written before there was a space, as the option `start` does. */
  start(choice: StartChoice): Promise<void>;
  /** Stops talking to the server until `resume`; writes are kept and sent then. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** What waits and what is stored, for a person who looks for a fault. */
  inspect(): Promise<SyncInspection>;
  addEventListener<K extends keyof SyncEventMap>(type: K, listener: (event: SyncEventMap[K]) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<K extends keyof SyncEventMap>(type: K, listener: (event: SyncEventMap[K]) => void, options?: boolean | EventListenerOptions): void;
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions): void;
}

/** The inside of the sync, as it is stored. */
export interface SyncInspection {
  readonly status: SyncStatus;
  /** This life of the database, in hex; the device's id for the server. */
  readonly device: string;
  /** The space that the database belongs to, once it was in step with it. */
  readonly space?: string;
  readonly schemaVersion: number;
  /** Sealed changesets that wait. */
  readonly changesets: readonly { readonly deviceSeq: number; readonly transactions: number; readonly bytes: number; readonly progress: string }[];
  /** Committed here and not yet sealed. */
  readonly unsealed: number;
  readonly storage: { readonly kind: 'opfs' | 'memory'; readonly bytes: number };
}

/** A change of a row, as far as it concerns one. */
export interface ChangeSummary {
  readonly table: string;
  readonly key: readonly Cell[];
  readonly kind: 'insert' | 'update' | 'delete';
  /** Column to new value; of a deleted row, to the last one. */
  readonly values: Row;
}

/** A transaction that the space refused. */
export interface RejectedTransaction {
  readonly id: string;
  /** Why: `foreign_key`, `unique`, `stale`, `constraint`, `dependency` and so on, as ERRORS.md lists them. */
  readonly reason: string;
  /** What and where, for a person. */
  readonly detail: string;
  readonly changes: readonly ChangeSummary[];
}

/** What is to be written otherwise to a row that a refused transaction writes. */
export interface RowEdit {
  readonly table: string;
  readonly key: readonly Parameter[];
  /** By column. A part of the key can be edited only of a row that is inserted, or gets another key. What referred to it in the same transaction follows. */
  readonly values: Readonly<Record<string, Parameter>>;
}

/** The list of refused transactions. */
export interface Rejected {
  list(): Promise<RejectedTransaction[]>;
  /**
   * Commits its changes again, with these edits, as a new local transaction, and takes it off the list. What was added to a `sum`, a set or a text
   * is added to what stands there now; what an edit says is written as it is. Throws, and changes nothing, where SQLite refuses it or a changed row is gone.
   */
  retry(id: string, edits?: readonly RowEdit[]): Promise<void>;
  /** Takes it off the list. */
  discard(id: string): Promise<void>;
}

/** A row by its table and key; a key of several columns is a list in key order. */
export interface RowAddress {
  readonly table: string;
  readonly key: Parameter | readonly Parameter[];
}

/** A change of a row that this device made. */
export interface LogEntry {
  /** The transaction that made it; the `id` of a refused one in `db.rejected`. */
  readonly transaction: string;
  /** When it was written, in milliseconds of this device's clock. */
  readonly at: number;
  /** `applied`: accepted by the space. `pending`, `blocked`: waits, in the view or out of it. `rejected`: refused. */
  readonly state: 'applied' | 'pending' | 'blocked' | 'rejected';
  /** Of a refused one, as `db.rejected` has it. */
  readonly reason?: string;
  readonly kind: 'insert' | 'update' | 'delete';
  /** Column to what was written. */
  readonly values: Row;
  /** Columns of an accepted change that were sent as something to be merged (`sum`, `set`, `text`): the space made the value. */
  readonly merged?: readonly string[];
}

/** What this device knows of a row's history. */
export interface Log {
  /** Its own changes of the row, oldest first: all that wait or were refused, and accepted ones of about the last month. What others did is in `db.audit`. */
  list(row: RowAddress): Promise<LogEntry[]>;
}

/** Which part of the server's history: everything, a table, or a row of it. */
export interface AuditQuestion {
  /** As the schema writes it. */
  readonly table?: string;
  readonly key?: Parameter | readonly Parameter[];
  /** The `next` of an earlier page. */
  readonly before?: string;
  /** Entries in a page: 1 to 500, default 100. */
  readonly limit?: number;
  readonly signal?: AbortSignal;
}

/** A change as the server's history has it: one for each field of an update. */
export interface AuditEntry {
  /** The commit. */
  readonly seq: number;
  /** When the space decided it, in milliseconds. */
  readonly at: number;
  readonly kind: 'insert' | 'update' | 'delete';
  readonly table: string;
  readonly key: readonly Cell[];
  /** What the space made of it: the field, or the whole row of an insert. */
  readonly values: Row;
  /** Set where the values are too large to be listed: their bytes. */
  readonly omitted?: number;
  readonly user: string;
  readonly device: string;
  readonly deviceSeq: number;
}

/** Some entries, newest first. */
export interface AuditPage {
  readonly entries: readonly AuditEntry[];
  /** For `before`, where there are older ones. */
  readonly next?: string;
}

/** The history that the server keeps in D1, for everybody whom the token lets into the space. It follows the commits within seconds. */
export interface Audit {
  list(question?: AuditQuestion): Promise<AuditPage>;
}

/** One side of a conflict. */
export interface ConflictSide {
  /** The value that it wants for the field; `null` where a whole row is concerned. */
  readonly value: Cell;
  /** It wants the row gone. */
  readonly deleted?: true;
  /** It wants the row there, with these fields; all that are not the key where the table's rows are `atomic`. */
  readonly row?: Row;
  /** The user who wrote it. */
  readonly author: string;
  /** The device, as `sync.inspect()` names it. */
  readonly device?: string;
  /** When it was written, by the clock of its device, in milliseconds since 1970. */
  readonly at: number;
  /** Whether it is this device's. */
  readonly mine: boolean;
}

/** A conflict that waits for a person. */
export interface OpenConflict {
  readonly id: string;
  readonly table: string;
  readonly key: readonly Cell[];
  /** Absent where a whole row is concerned. */
  readonly column?: string;
  /** What the first challenger had seen in the field. */
  readonly base?: Cell;
  /** What the first challenger had seen, where the table's rows are `atomic`: all columns that are not the key. */
  readonly baseRow?: Row;
  /** First the value that everybody sees, then those that wait. */
  readonly sides: readonly ConflictSide[];
  /** When the space opened it, in milliseconds since 1970. */
  readonly openedAt: number;
}

/** A conflict that the rule of its field or table decided. */
export interface DecidedConflict {
  readonly seq: number;
  readonly table: string;
  readonly key: readonly Cell[];
  /** Absent where a whole row was concerned. */
  readonly column?: string;
  readonly kept: 'incumbent' | 'challenger';
  /** The value that lost. */
  readonly lost: Cell;
  /** What stood there. */
  readonly incumbent: ConflictSide;
  /** What came. */
  readonly challenger: ConflictSide;
}

/**
 * What a person chooses: a side by its place, this device's own side, or another value. Between rows of a table whose rows are `atomic`
 * the value is another whole row: all columns that are not the key, as sides have them in `row`.
 */
export type Resolution =
  | { readonly side: number }
  | { readonly mine: true }
  | { readonly value: Parameter | Readonly<Record<string, Parameter>> };

/** A conflict that waits no longer: somebody chose, or the row is gone. */
export interface ClosedConflict {
  readonly id: string;
  readonly how: 'resolved' | 'moot';
}

/** Values that met without having seen each other. */
export interface Conflicts {
  /** Those that wait for a person, on whatever device; also offline. */
  list(): Promise<OpenConflict[]>;
  /** Those that rules have decided. */
  decided(): Promise<DecidedConflict[]>;
  /**
   * Chooses; seen here at once, and everywhere once the space has decided it. Somebody who was faster wins: the choice
   * is then listed in `rejected` as `stale`.
   */
  resolve(id: string, resolution: Resolution): Promise<void>;
}
