/**
 * The Rust module of the Worker, instantiated once for each isolate.
 * It holds no state of an app; objects and requests of one isolate share its memory, never their data.
 * Everything here that decides something is called through it.
 */
import * as engine from '../../wasm/worker/ebbtide_worker.js';
import wasm from './ebbtide_worker_bg.wasm';

let started = false;

/** The module's functions and classes. */
export function rust(): typeof engine {
  if (!started) {
    engine.initSync({ module: wasm });
    started = true;
  }
  return engine;
}
