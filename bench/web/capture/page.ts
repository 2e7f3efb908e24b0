/**
 * The page of the capture part: one worker for one run. `parts/capture.mjs` decides which comes when.
 */
import type { CaptureTimings } from './worker.ts';

type Reply = { readonly timings: CaptureTimings } | { readonly error: string };

function run(mode: string, rows: number): Promise<CaptureTimings> {
  const worker = new Worker('/capture-worker.js', { type: 'module' });
  return new Promise<CaptureTimings>((resolve, reject) => {
    worker.onmessage = (event: MessageEvent<Reply>) => {
      if ('error' in event.data) reject(new Error(`${mode}: ${event.data.error}`));
      else resolve(event.data.timings);
    };
    worker.onerror = (event) => reject(new Error(`${mode}: ${event.message}`));
    worker.postMessage({ mode, rows, wasmUrl: new URL('/capture.wasm', location.href).href });
  }).finally(() => worker.terminate());
}

Object.assign(globalThis, { capture: { run } });
