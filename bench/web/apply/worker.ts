/**
 * Applies commits of others in a fresh database, beside the wasm, and writes the same rows by plain statements: a step when it is told to.
 * The page starts one for every round, so that no round inherits memory or files of another.
 */
import init, { Apply } from 'bench-capture';

/** What it can be told, in this order. */
export type Step = 'insert' | 'plainInsert' | 'update' | 'plainUpdate' | 'finish';

/** What it is told. */
export type Order = { readonly open: { readonly rows: number; readonly wasmUrl: string } } | { readonly step: Step };

/** What it answers: how long it took, in milliseconds. */
export type Reply = { readonly ms: number } | { readonly error: string };

let bench: Apply | undefined;

addEventListener('message', async (event: MessageEvent<Order>) => {
  const start = performance.now();
  try {
    await carryOut(event.data);
    postMessage({ ms: performance.now() - start } satisfies Reply);
  } catch (thrown) {
    postMessage({ error: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown) } satisfies Reply);
  }
});

async function carryOut(order: Order): Promise<void> {
  if ('step' in order) return bench![order.step]();
  await init({ module_or_path: order.open.wasmUrl });
  bench = await Apply.open('/apply', order.open.rows);
}
