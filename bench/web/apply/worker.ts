/**
 * Takes the times of applying commits of others in a fresh database, beside the wasm, and of plain statements for the same rows.
 * The page starts one for every round, so that no round inherits memory or files of another.
 */
import init, { Apply } from 'bench-capture';

/** Milliseconds of each step. */
export interface ApplyTimings {
  readonly insert: number;
  readonly plainInsert: number;
  readonly update: number;
  readonly plainUpdate: number;
}

addEventListener('message', async (event: MessageEvent<{ rows: number; wasmUrl: string }>) => {
  const { rows, wasmUrl } = event.data;
  try {
    await init({ module_or_path: wasmUrl });
    const bench = await Apply.open('/apply', rows);
    const insert = timed(() => bench.insert());
    const plainInsert = timed(() => bench.plainInsert());
    const update = timed(() => bench.update());
    const plainUpdate = timed(() => bench.plainUpdate());
    bench.finish();
    postMessage({ timings: { insert, plainInsert, update, plainUpdate } satisfies ApplyTimings });
  } catch (thrown) {
    postMessage({ error: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown) });
  }
});

function timed(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}
