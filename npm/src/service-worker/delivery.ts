/**
 * One attempt to send one database's waiting request and to keep the reply.
 * It does not know events or tags, and never reads the bytes: the database does that when it opens next. The listener calls it.
 */

import { EbbtideError } from '../errors.ts';
import { MAX_REPLY_BYTES, MAX_REQUEST_BYTES } from './limits.ts';
import type { DeliveryProblem, Mailbox, OutboxRecord } from './mailbox.ts';

/** Statuses that say "later", beside everything from 500 on. */
const LATER = new Set([408, 425, 429]);

/**
 * Sends the request that waits for the database, if one does.
 * Resolves when the reply is stored, nothing waits, or only the page can help (the reason is then noted on the request).
 * Rejects with a retryable error when the network or the server was not there.
 */
export async function deliver(mailbox: Mailbox, databaseName: string, signal: AbortSignal): Promise<void> {
  const request = await mailbox.outgoing(databaseName);
  if (!request) return;
  if (request.body.byteLength > MAX_REQUEST_BYTES) {
    await mailbox.note(databaseName, request, problem('request_too_large', 0));
    return;
  }
  const response = await post(request, signal);
  if (response.ok) await keepReply(mailbox, databaseName, request, response, signal);
  else await refused(mailbox, databaseName, request, response);
}

async function post(request: OutboxRecord, signal: AbortSignal): Promise<Response> {
  try {
    const { url, headers, body } = request;
    // A redirect would carry the token to an address that the app never named.
    return await fetch(url, { method: 'POST', headers, body, signal, cache: 'no-store', redirect: 'error' });
  } catch (cause) {
    throw new EbbtideError('network_error', 'the server could not be reached', { retryable: true, cause });
  }
}

async function keepReply(
  mailbox: Mailbox, databaseName: string, request: OutboxRecord, response: Response, signal: AbortSignal,
): Promise<void> {
  const body = await readBounded(response, signal);
  if (body) await mailbox.deliver(databaseName, request, { body, receivedAt: Date.now() });
  else await mailbox.note(databaseName, request, problem('reply_too_large', response.status));
}

async function refused(mailbox: Mailbox, databaseName: string, request: OutboxRecord, response: Response): Promise<void> {
  await response.body?.cancel();
  const { status } = response;
  if (status >= 500 || LATER.has(status)) {
    throw new EbbtideError('server_error', `the server answered ${status}`, { retryable: true });
  }
  await mailbox.note(databaseName, request, problem(status === 401 ? 'signed_out' : 'refused', status));
}

function problem(code: string, status: number): DeliveryProblem {
  return { code, status, at: Date.now() };
}

/** The whole body, or undefined when it is longer than a reply may be. A broken connection is a retryable error. */
async function readBounded(response: Response, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  try {
    for await (const part of chunks(response)) {
      signal.throwIfAborted();
      length += part.byteLength;
      if (length > MAX_REPLY_BYTES) return undefined;
      parts.push(part);
    }
  } catch (cause) {
    throw new EbbtideError('network_error', 'the reply broke off', { retryable: true, cause });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** The body's chunks; leaving the loop early cancels the transfer. Async iteration of streams is younger than our browsers. */
async function* chunks(response: Response): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const reader = response.body?.getReader();
  if (!reader) return;
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) yield step.value;
  } finally {
    await reader.cancel();
  }
}
