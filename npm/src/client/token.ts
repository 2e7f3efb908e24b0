/**
 * Answers the worker's wish for a token with the app's function.
 * It caches nothing: the worker keeps a token until the server refuses it. `open.ts` calls it.
 */
import { EbbtideError } from '../errors.ts';
import type { ToWorker } from '../rpc.ts';

type TokenAnswer = Extract<ToWorker, { kind: 'token' }>;

/** The message that answers wish `id`. */
export async function answerToken(id: number, token: () => string | Promise<string>): Promise<TokenAnswer> {
  try {
    return { kind: 'token', id, token: requireToken(await token()) };
  } catch (thrown) {
    return { kind: 'token', id, error: failure(thrown).toJSON() };
  }
}

/** A token as a header takes it. */
export function requireToken(token: unknown): string {
  // A header takes no other characters, and no server issues them.
  if (typeof token === 'string' && /^[\x21-\x7e]+$/.test(token)) return token;
  throw new EbbtideError('token_failed', 'sync.token must answer a token: a string without spaces');
}

/** What the app's function throws is most often a network that is not there: worth another try. */
function failure(thrown: unknown): EbbtideError {
  if (thrown instanceof EbbtideError) return thrown;
  return new EbbtideError('token_failed', 'sync.token failed', { retryable: true, cause: thrown });
}
