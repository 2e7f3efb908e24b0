/**
 * The test app as a website: page, package and service worker as static files, its Worker in workerd, and a way to open devices in it.
 * It knows the test app's page but no single test. The two-device and background tests start here.
 */
import { build } from 'esbuild';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TestDevice, type DeviceOptions } from './device.ts';
import { LocalWorker } from './workerd.ts';

const APP = fileURLToPath(new URL('../sync/app/', import.meta.url));
const PAGE = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Test</title><script type="module" src="/page.js"></script></html>';
/** Files of the package that a page loads by their address. */
const SERVED = ['worker.js', 'ebbtide_client_bg.wasm'];

/** A running test app. */
export interface Site extends AsyncDisposable {
  readonly worker: LocalWorker;
  /** Puts the Worker of the next schema version in place of the one that runs. */
  deployUpgrade(): Promise<void>;
  /** A browser on a profile of its own behind a proxy of its own, with the database open and in step. */
  device(options: DeviceOptions): Promise<TestDevice>;
  /** A browser that begins with a copy of another one's profile. */
  copied(profile: string, options: DeviceOptions): Promise<TestDevice>;
}

/** Builds the test app and starts one of its Workers. */
export async function startSite(entry = 'server.ts'): Promise<Site> {
  const assets = await buildAssets();
  const worker = await LocalWorker.start(join(APP, entry), assets);
  return {
    worker,
    copied: (profile, options) => TestDevice.startFrom(profile, worker.port, options),
    deployUpgrade: () => worker.deploy(join(APP, 'upgraded-server.ts')),
    device: (options) => TestDevice.start(worker.port, options),
    async [Symbol.asyncDispose]() {
      await worker[Symbol.asyncDispose]();
      await rm(assets, { recursive: true, force: true });
    },
  };
}

async function buildAssets(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ebbtide-site-'));
  const shared = { bundle: true, target: 'es2022', outdir: folder, absWorkingDir: APP, logLevel: 'warning' } as const;
  await build({ ...shared, entryPoints: ['page.ts'], format: 'esm' });
  await build({ ...shared, entryPoints: ['service-worker.ts'], format: 'iife' });
  await writeFile(join(folder, 'index.html'), PAGE);
  await Promise.all(SERVED.map((name) => cp(fileURLToPath(import.meta.resolve(`ebbtide/${name}`)), join(folder, name))));
  return folder;
}
