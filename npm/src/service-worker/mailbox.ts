/**
 * The mailbox between the database worker and the service worker: one outgoing request and one reply for each database, in IndexedDB.
 * It does not know what the bytes mean nor how they travel. The service worker's delivery and the database worker call it.
 */

import { STORAGE_LIMIT_MS } from './limits.ts';
import { INBOX, MAILBOX, MAILBOX_VERSION, OUTBOX } from './names.ts';

/** A ready-made POST: hello and every undecided small changeset of one database. */
export interface OutboxRecord {
  url: string;
  headers: Record<string, string>;
  body: Uint8Array<ArrayBuffer>;
  /** Milliseconds since 1970; another value means that the database has written a newer request. */
  updatedAt: number;
  /** Why the service worker could not deliver it. */
  problem?: DeliveryProblem;
}

/** What kept a request from being delivered. */
export interface DeliveryProblem {
  code: string;
  /** HTTP status, or 0 when there was no answer. */
  status: number;
  /** Milliseconds since 1970. */
  at: number;
}

/** The server's answer to the request, for the database to apply when it opens next. */
export interface InboxRecord {
  body: Uint8Array<ArrayBuffer>;
  /** Milliseconds since 1970. */
  receivedAt: number;
}

/** An open mailbox. Dispose it when the event ends, so that it never blocks another context. */
export class Mailbox implements Disposable {
  readonly #database: IDBDatabase;

  private constructor(database: IDBDatabase) {
    this.#database = database;
  }

  /** Opens the mailbox and creates it where the database worker has not done so yet. */
  static async open(): Promise<Mailbox> {
    const request = indexedDB.open(MAILBOX, MAILBOX_VERSION);
    request.onupgradeneeded = () => createStores(request.result);
    const database = await within(settled(request), () => request.result.close());
    database.onversionchange = () => database.close();
    return new Mailbox(database);
  }

  /** Whether this browser has one; where it does not tell, it may. */
  static async exists(): Promise<boolean> {
    const databases = await indexedDB.databases?.();
    return databases?.some((database) => database.name === MAILBOX) ?? true;
  }

  /** The request that waits for a database, if any. Foreign shapes count as none. */
  async outgoing(databaseName: string): Promise<OutboxRecord | undefined> {
    const store = this.#database.transaction(OUTBOX, 'readonly').objectStore(OUTBOX);
    const record: unknown = await within(settled(store.get(databaseName)));
    return isOutboxRecord(record) ? record : undefined;
  }

  /** Stores the reply and removes the request, unless a newer one has taken its place, in one durable transaction. */
  async deliver(databaseName: string, sent: OutboxRecord, reply: InboxRecord): Promise<void> {
    await this.#change(async (outbox, inbox) => {
      inbox.put(reply, databaseName);
      if (await isUnchanged(outbox, databaseName, sent)) outbox.delete(databaseName);
    });
  }

  /** Notes on the request why it was not delivered, unless a newer one has taken its place. */
  async note(databaseName: string, sent: OutboxRecord, problem: DeliveryProblem): Promise<void> {
    await this.#change(async (outbox) => {
      if (await isUnchanged(outbox, databaseName, sent)) outbox.put({ ...sent, problem }, databaseName);
    });
  }

  /** Replaces the request that waits for a database; without one, nothing waits any more. */
  async post(databaseName: string, record: OutboxRecord | undefined): Promise<void> {
    await this.#change(async (outbox) => {
      if (record) outbox.put(record, databaseName);
      else outbox.delete(databaseName);
    });
  }

  /** The reply that the service worker left for a database, if any. */
  async reply(databaseName: string): Promise<InboxRecord | undefined> {
    const store = this.#database.transaction(INBOX, 'readonly').objectStore(INBOX);
    const record: unknown = await within(settled(store.get(databaseName)));
    return isInboxRecord(record) ? record : undefined;
  }

  /** Removes the reply: the database has applied it, or cannot use it. */
  async discardReply(databaseName: string): Promise<void> {
    await this.#change(async (_outbox, inbox) => {
      inbox.delete(databaseName);
    });
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  async #change(work: (outbox: IDBObjectStore, inbox: IDBObjectStore) => Promise<void>): Promise<void> {
    const transaction = this.#database.transaction([OUTBOX, INBOX], 'readwrite', { durability: 'strict' });
    const changes = work(transaction.objectStore(OUTBOX), transaction.objectStore(INBOX));
    await within(Promise.all([completed(transaction), changes]));
  }
}

function createStores(database: IDBDatabase): void {
  for (const store of [OUTBOX, INBOX]) {
    if (!database.objectStoreNames.contains(store)) database.createObjectStore(store);
  }
}

async function isUnchanged(outbox: IDBObjectStore, databaseName: string, sent: OutboxRecord): Promise<boolean> {
  const current: unknown = await settled(outbox.get(databaseName));
  return isOutboxRecord(current) && current.updatedAt === sent.updatedAt;
}

function isOutboxRecord(value: unknown): value is OutboxRecord {
  if (typeof value !== 'object' || value === null) return false;
  const record = value as Partial<OutboxRecord>;
  return typeof record.url === 'string' && typeof record.headers === 'object' && record.headers !== null
    && record.body instanceof Uint8Array && typeof record.updatedAt === 'number';
}

function isInboxRecord(value: unknown): value is InboxRecord {
  return typeof value === 'object' && value !== null && (value as Partial<InboxRecord>).body instanceof Uint8Array;
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new DOMException('IndexedDB request failed', 'UnknownError'));
  });
}

function completed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new DOMException('IndexedDB transaction aborted', 'AbortError'));
  });
}

/** The promise, or a `TimeoutError` after the limit; what still comes after that is handed to `late`. */
async function within<T>(work: Promise<T>, late?: (value: T) => void): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isLate = false;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      isLate = true;
      reject(new DOMException('IndexedDB did not answer in time', 'TimeoutError'));
    }, STORAGE_LIMIT_MS);
  });
  if (late) void work.then((value) => { if (isLate) late(value); }, () => undefined);
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
