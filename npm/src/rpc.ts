/**
 * The messages between a page and its database worker.
 * Shapes only: who sends what when is in `client/connection.ts` and `worker/`.
 */
import type { ErrorFacts } from './errors.ts';
import type { ClosedConflict, SchemaDefinition, StartChoice, SyncInspection, SyncPlan, SyncReport, SyncStatus } from './types.ts';

/** What the worker needs to open the database. It crosses as a structured clone, so it holds no functions. */
export interface OpenRequest {
  readonly name: string;
  readonly schema: SchemaDefinition;
  readonly storage: 'opfs' | 'memory';
  readonly durability: 'full' | 'relaxed';
  /** The compiled engine. */
  readonly engine: WebAssembly.Module;
  readonly online: boolean;
  /** Whether the app has paused the sync; a new worker keeps to it. */
  readonly paused: boolean;
  readonly sync?: { readonly url: string; readonly space: string; readonly twoPhase: 'auto' | 'always'; readonly confirm: boolean; readonly start: StartChoice };
}

/** A plan as the worker tells it: what is numbers, and the rows that `client/plan.ts` gathers. */
export interface PlanFacts {
  /** The last changeset that it covers. */
  readonly upto: number;
  readonly sent: SyncPlan['sent'];
  readonly received: SyncPlan['received'];
  readonly conflicts: number;
  readonly review: number;
  /** Transactions about which nothing is predicted. */
  readonly unpredicted: number;
  readonly merged: Uint8Array;
  readonly refused: Uint8Array;
}

/** A transaction of the app, as the worker numbers them. */
export type TransactionId = number;

/** Each operation: what it takes and what it answers. */
export interface Operations {
  open: [OpenRequest, SyncStatus];
  exec: [{ sql: string; parameters: Uint8Array; transaction?: TransactionId }, number];
  execMany: [{ sql: string; rows: Uint8Array; transaction?: TransactionId }, number];
  query: [{ sql: string; parameters: Uint8Array; transaction?: TransactionId }, Uint8Array];
  begin: [null, TransactionId];
  commit: [{ transaction: TransactionId }, null];
  rollback: [{ transaction: TransactionId }, null];
  watch: [{ sql: string; parameters: Uint8Array }, number];
  watchNext: [{ watch: number }, Uint8Array];
  unwatch: [{ watch: number }, null];
  export: [null, Uint8Array];
  syncNow: [null, SyncReport];
  plan: [null, PlanFacts];
  runPlan: [{ upto: number }, SyncReport];
  start: [{ choice: StartChoice }, null];
  pause: [{ paused: boolean }, null];
  inspect: [null, SyncInspection];
  rowLog: [{ table: string; key: Uint8Array }, Uint8Array];
  rejected: [null, Uint8Array];
  retryRejected: [{ id: string; edits: Uint8Array }, null];
  discardRejected: [{ id: string }, null];
  openConflicts: [null, Uint8Array];
  decidedConflicts: [null, Uint8Array];
  resolveConflict: [{ id: string; side: number; value: Uint8Array }, null];
  close: [null, null];
}

export type Operation = keyof Operations;
export type Argument<Op extends Operation> = Operations[Op][0];
export type Answer<Op extends Operation> = Operations[Op][1];

/** From the page. */
export type ToWorker =
  | { readonly [Op in Operation]: { readonly kind: 'call'; readonly id: number; readonly op: Op; readonly argument: Argument<Op> } }[Operation]
  | { readonly kind: 'token'; readonly id: number; readonly token?: string; readonly error?: ErrorFacts }
  /** The answer to `wantConfirm`. */
  | { readonly kind: 'confirmed'; readonly upto: number; readonly accepted: boolean }
  | { readonly kind: 'online'; readonly online: boolean };

/** From the worker. */
export type ToPage =
  /** The script runs; the page sends its open request now. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly error: ErrorFacts }
  | { readonly kind: 'wantToken'; readonly id: number }
  /** May this be committed? */
  | { readonly kind: 'wantConfirm'; readonly plan: PlanFacts }
  | { readonly kind: 'status'; readonly status: SyncStatus }
  | { readonly kind: 'applied'; readonly seq: number }
  | { readonly kind: 'rejected'; readonly id: string }
  | { readonly kind: 'conflict'; readonly count: number; readonly open: readonly string[] }
  | { readonly kind: 'resolved'; readonly conflicts: readonly ClosedConflict[] }
  | { readonly kind: 'recovered'; readonly code: string }
  /** A step failed in the local database; it is tried again at the given time. */
  | { readonly kind: 'fault'; readonly code: string; readonly nextRetryAt: number }
  /** Something waits for the service worker to send it. */
  | { readonly kind: 'mirrored' }
  | { readonly kind: 'crashed'; readonly error: ErrorFacts };
