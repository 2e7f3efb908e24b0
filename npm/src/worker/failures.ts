/**
 * Words for the codes with which a `sync.now()` can fail.
 * The codes are decided in the engine; unknown ones come from the server and are passed on.
 */
import { EbbtideError, type ErrorFacts } from '../errors.ts';

const WORDS: Readonly<Record<string, string>> = {
  offline: 'the device is offline; what was written is kept and sent later',
  paused: 'the sync is paused',
  other_space: 'the database belongs to another space: open it for that one, or open a database of another name for this one',
  sync_choice_needed: 'there are local rows and the space has rows too; open with `sync.start`, or call sync.start()',
  not_confirmed: 'the app did not confirm what was to be committed; it stays pending',
  network_error: 'the server cannot be reached; it is tried again',
  timeout: 'the server did not answer in time; it is tried again',
  signed_out: 'the server did not accept the token',
  token_failed: 'the page could not supply a token',
  reload_needed: 'the server speaks a newer protocol; reload the page to get the newer app',
  waiting_for_server: 'the server does not have this schema yet; changes wait for it',
};

/** The error for a code of the engine. */
export function failureOf(facts: Pick<ErrorFacts, 'code' | 'retryable'>): EbbtideError {
  const message = WORDS[facts.code] ?? `the sync failed: ${facts.code}`;
  return new EbbtideError(facts.code, message, { retryable: facts.retryable });
}
