/**
 * Waiting for something that happens by itself, with a bound.
 * It knows nothing of what is waited for. Tests call it instead of sleeping.
 */

const WAIT_MS = 20_000;
const POLL_MS = 25;

/** Asks until the answer is neither false nor undefined and returns it; rejects with `what` after the limit. */
export async function until<T>(what: string, ask: () => Promise<T | undefined | false> | T | undefined | false, limitMs = WAIT_MS): Promise<T> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${limitMs} ms in vain until ${what}`);
    await pause(POLL_MS);
  }
}

/** Lets time pass; only for showing that something does not happen. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
