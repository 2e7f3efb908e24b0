/**
 * The page of the apply part: one worker for one round. `parts/apply.mjs` calls it.
 */
import type { ApplyTimings } from './worker.ts';

type Reply = { readonly timings: ApplyTimings } | { readonly error: string };

function run(rows: number): Promise<ApplyTimings> {
  const worker = new Worker('/apply-worker.js', { type: 'module' });
  return new Promise<ApplyTimings>((resolve, reject) => {
    worker.onmessage = (event: MessageEvent<Reply>) => {
      if ('error' in event.data) reject(new Error(event.data.error));
      else resolve(event.data.timings);
    };
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage({ rows, wasmUrl: new URL('/capture.wasm', location.href).href });
  }).finally(() => worker.terminate());
}

Object.assign(globalThis, { apply: { run } });
