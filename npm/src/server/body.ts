/**
 * Reads a request's body up to a bound, so that nobody fills the isolate's memory.
 * It does not look inside. The object calls it for messages.
 */
import { refusal, type Refusal } from './replies.ts';

/** The body's bytes; throws a refusal as soon as it is larger than `most`. */
export async function readBody(request: Request, most: number): Promise<Uint8Array> {
  const announced = Number(request.headers.get('Content-Length') ?? 0);
  if (announced > most) throw tooLarge(most);
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of chunks(request.body)) {
    size += part.length;
    if (size > most) throw tooLarge(most);
    parts.push(part);
  }
  return joined(parts, size);
}

/** What a larger body is answered with. */
export function tooLarge(most: number): Refusal {
  return refusal(413, 'too_large', `a message may have ${most} bytes at most`);
}

async function* chunks(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  const only = parts.length === 1 ? parts[0] : undefined;
  if (only !== undefined) return only;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
