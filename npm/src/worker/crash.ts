/**
 * Tells a crash of the wasm module from an error that it reported.
 * After a trap the module's memory is not to be trusted: the worker ends, and the page starts another.
 */
import { EbbtideError } from '../errors.ts';

/** The crash behind what was thrown, or undefined for an ordinary error. */
export function crashOf(thrown: unknown): EbbtideError | undefined {
  const trapped = thrown instanceof WebAssembly.RuntimeError || thrown instanceof RangeError;
  if (!trapped) return undefined;
  return new EbbtideError('worker_crashed', 'the database worker crashed and is started again', {
    retryable: true,
    cause: thrown,
  });
}
