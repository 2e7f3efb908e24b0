/**
 * The calls between the page and the bench's own workers, and the page's end of them.
 * Minimal on purpose: a number, a verb, an argument, an answer; the official build has nothing else around it.
 */
import type { Counts, Timings, Value } from './workload.ts';

/** What a bench worker can be asked for. */
export interface Verbs {
  /** Opens the named database, creating it with its table where it does not exist. */
  open: [{ name: string; captured: boolean; wasmUrl: string }, null];
  loops: [Counts, Timings];
  exec: [{ sql: string; parameters: Value[] }, number];
  execMany: [{ sql: string; rows: Value[][] }, number];
  get: [{ sql: string; parameters: Value[] }, Record<string, unknown> | undefined];
  close: [null, null];
}

export type Handlers = { [Verb in keyof Verbs]?: (argument: Verbs[Verb][0]) => Promise<Verbs[Verb][1]> | Verbs[Verb][1] };

interface Call {
  readonly id: number;
  readonly verb: keyof Verbs;
  readonly argument: unknown;
}

type Reply = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: string };

/** The worker's end: answers every call with what its handler returns. */
export function answerCalls(handlers: Handlers): void {
  addEventListener('message', async (event: MessageEvent<Call>) => {
    const { id, verb, argument } = event.data;
    try {
      const handler = handlers[verb] as ((argument: unknown) => unknown) | undefined;
      if (handler === undefined) throw new Error(`this worker does not know \`${verb}\``);
      postMessage({ id, value: await handler(argument) } satisfies Reply);
    } catch (thrown) {
      postMessage({ id, error: textOf(thrown) } satisfies Reply);
    }
  });
}

/** Errors of the wasm client are plain objects with a code and a message. */
function textOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.stack ?? thrown.message;
  return typeof thrown === 'object' ? JSON.stringify(thrown) : String(thrown);
}

/** The page's end. */
export class BenchWorker {
  readonly #worker: Worker;
  readonly #pending = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #next = 1;

  constructor(url: string) {
    this.#worker = new Worker(url, { type: 'module' });
    this.#worker.onmessage = (event: MessageEvent<Reply>) => this.#settle(event.data);
    this.#worker.onerror = (event) => this.#fail(new Error(`${url}: ${event.message}`));
  }

  call<Verb extends keyof Verbs>(verb: Verb, argument: Verbs[Verb][0]): Promise<Verbs[Verb][1]> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as (value: never) => void, reject });
      this.#worker.postMessage({ id, verb, argument } satisfies Call);
    });
  }

  terminate(): void {
    this.#worker.terminate();
  }

  #settle(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if ('error' in reply) pending?.reject(new Error(reply.error));
    else pending?.resolve(reply.value as never);
  }

  #fail(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}
