/**
 * The page of the apply part: one worker for one round, told step by step. `parts/apply.mjs` calls it.
 */
import type { Order, Reply, Step } from './worker.ts';

let worker: Worker | undefined;

/** Starts a worker with so many rows. */
async function open(rows: number): Promise<void> {
  worker?.terminate();
  worker = new Worker('/apply-worker.js', { type: 'module' });
  await tell({ open: { rows, wasmUrl: new URL('/capture.wasm', location.href).href } });
}

/** Answers how long the step took, in milliseconds. */
function step(step: Step): Promise<number> {
  return tell({ step });
}

function tell(order: Order): Promise<number> {
  return new Promise((resolve, reject) => {
    worker!.onmessage = (event: MessageEvent<Reply>) => {
      if ('error' in event.data) reject(new Error(event.data.error));
      else resolve(event.data.ms);
    };
    worker!.onerror = (event) => reject(new Error(event.message));
    worker!.postMessage(order);
  });
}

Object.assign(globalThis, { apply: { open, step } });
