/**
 * The built demo in real workerd behind a proxy, and a browser for it.
 * It knows where the demo's build lies and nothing of its pages. The demo's tests start here.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { launch, type Browser } from './chromium.ts';
import { LoopbackProxy } from './proxy.ts';
import { LocalWorker } from './workerd.ts';

const DEMO = fileURLToPath(new URL('../../../demo/', import.meta.url));

/** The demo, running. */
export interface RunningDemo extends AsyncDisposable {
  readonly browser: Browser;
  readonly proxy: LoopbackProxy;
  readonly worker: LocalWorker;
}

/** Where the demo's build lies. */
export function demoFiles(): string {
  if (!existsSync(`${DEMO}dist/index.html`)) throw new Error('demo/dist is missing: `cargo xtask build` makes it');
  return `${DEMO}dist`;
}

/** Starts the demo as it was built last, or with other files. */
export async function startDemo(files = demoFiles()): Promise<RunningDemo> {
  const worker = await LocalWorker.start(`${DEMO}server.ts`, files);
  const proxy = await LoopbackProxy.start(worker.port);
  const browser = await launch();
  return {
    browser, proxy, worker,
    async [Symbol.asyncDispose]() {
      await browser[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
      await worker[Symbol.asyncDispose]();
    },
  };
}
