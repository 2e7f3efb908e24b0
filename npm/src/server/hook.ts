/**
 * `onCommit`: the app's function that is told of each commit, after it, in the space's order, at least once.
 * What it is told is made in Rust. The outbox calls it, outside of every sync message.
 */
import type { Space } from '../../wasm/worker/ebbtide_worker.js';
import type { Cell } from '../cells.ts';
import { HOOK_CALL_MS, OUTBOX_TURN_MS } from './limits.ts';
import type { ServerEnv } from './platform.ts';
import type { RowValues, Writer } from './rules.ts';

/** What became of one row. A row whose key changed is deleted under the old key and inserted under the new one. */
export interface CommittedChange {
  readonly table: string;
  /** The values of the key, in the key's order. */
  readonly key: readonly Cell[];
  readonly kind: 'insert' | 'update' | 'delete';
  /** After merging: the whole row without its key where it was inserted, the fields that changed where it was updated, nothing where it was deleted. */
  readonly values: RowValues;
}

/** What a space accepted at once. A commit with more than about 1,000 changes or 1 MiB is told in several parts. */
export interface Committed {
  /** The space's name. */
  readonly space: string;
  /** The number of the commit in its space. With `part` it is the same each time that this is told. */
  readonly seq: number;
  /** When the space decided it: milliseconds since the Unix epoch. */
  readonly at: number;
  /** Who wrote. The user `migration` stands for rows that a migration changed. */
  readonly identity: Writer;
  /** How many changes of this commit were told before: 0 for the first part. */
  readonly part: number;
  /** Whether no further part of this commit comes. */
  readonly last: boolean;
  readonly changes: readonly CommittedChange[];
}

/**
 * Told of each commit, one after the other. It may do I/O. When it throws, or takes longer than 30 seconds, it is told the same again later, and
 * what came after waits; so it may be told of something twice, and is to know that by `space`, `seq` and `part`.
 */
export type OnCommit<Env = ServerEnv> = (committed: Committed, env: Env) => void | Promise<void>;

interface Slice {
  readonly upto: readonly [seq: number, part: number];
  readonly committed: Committed;
}

/** Tells the app what it was not told yet; false if the turn ended before. */
export async function tell(onCommit: OnCommit<never>, env: ServerEnv, space: Space): Promise<boolean> {
  const until = Date.now() + OUTBOX_TURN_MS;
  while (Date.now() < until) {
    const slice = space.nextSlice() as Slice | undefined;
    if (slice === undefined) return true;
    await inTime(onCommit(slice.committed, env as never));
    space.told(...slice.upto);
  }
  return false;
}

/** A function that never answers must not hold up the alarm, and the history with it. */
async function inTime(answer: void | Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => { reject(new Error(`onCommit took longer than ${HOOK_CALL_MS} ms`)); }, HOOK_CALL_MS);
  });
  try {
    await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
