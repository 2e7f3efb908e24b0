/**
 * The database worker's script: takes calls from its page, one after the other, and answers them.
 * It does not know SQL or the network; `engine.ts` starts the wasm, `scheduler.ts` holds calls back behind a transaction.
 * Started by `client/connection.ts`.
 */
import { EbbtideError } from '../errors.ts';
import type { ToPage, ToWorker } from '../rpc.ts';
import { COPY_BELOW_BYTES } from '../limits.ts';
import { crashOf } from './crash.ts';
import { Session } from './session.ts';

const session = new Session(post);

addEventListener('message', (event: MessageEvent<ToWorker>) => {
  void receive(event.data);
});
// What escapes from timers and sockets inside the wasm is a fault of ours: start again from what is on disk.
addEventListener('error', (event: ErrorEvent) => crashed(event.error ?? event.message));
addEventListener('unhandledrejection', (event: PromiseRejectionEvent) => crashed(event.reason));
post({ kind: 'ready' });

async function receive(message: ToWorker): Promise<void> {
  if (message.kind !== 'call') return session.notice(message);
  try {
    const value = await session.call(message.op, message.argument);
    post({ kind: 'answer', id: message.id, value });
  } catch (thrown) {
    const crash = crashOf(thrown);
    if (crash !== undefined) return crashed(crash);
    post({ kind: 'failure', id: message.id, error: EbbtideError.from(thrown).toJSON() });
  }
}

function crashed(thrown: unknown): void {
  post({ kind: 'crashed', error: EbbtideError.from(thrown).toJSON() });
  close();
}

function post(message: ToPage): void {
  postMessage(message, { transfer: transferable(message) });
}

function transferable(message: ToPage): Transferable[] {
  if (message.kind !== 'answer' || !(message.value instanceof Uint8Array)) return [];
  return message.value.byteLength < COPY_BELOW_BYTES ? [] : [message.value.buffer as ArrayBuffer];
}
