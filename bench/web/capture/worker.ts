/**
 * Takes the times of one way of capturing: three steps in a fresh database, beside the wasm.
 * The page starts one for every run, so that no run inherits memory or files of another.
 */
import init, { Bench } from 'bench-capture';

/** Milliseconds of each step, and the bytes in the log where they are known. */
export interface CaptureTimings {
  readonly insert: number;
  readonly update: number;
  readonly delete: number;
  readonly logged: number | undefined;
}

addEventListener('message', async (event: MessageEvent<{ mode: string; rows: number; wasmUrl: string }>) => {
  const { mode, rows, wasmUrl } = event.data;
  try {
    await init({ module_or_path: wasmUrl });
    const bench = await Bench.open('/capture');
    bench.prepare(mode, rows);
    const insert = timed(() => bench.insert());
    const update = timed(() => bench.update());
    const removal = timed(() => bench.remove());
    postMessage({ timings: { insert, update, delete: removal, logged: bench.finish() } satisfies CaptureTimings });
  } catch (thrown) {
    postMessage({ error: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown) });
  }
});

function timed(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}
