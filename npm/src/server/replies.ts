/**
 * HTTP answers: JSON errors with a stable code, and the headers that let pages of other origins read them.
 * It does not decide what is refused. Used by the Worker and by the object.
 */
import { PREFLIGHT_SECONDS } from './limits.ts';

/** What Rust throws, and what this side throws in the same shape. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  /** For the operator's log only. */
  readonly detail?: string;
}

/** A refusal made on this side. */
export function refusal(status: number, code: string, message: string, retryable = false): Refusal {
  return { status, code, message, retryable };
}

/** The app's Worker or its bindings must be put right. */
export function misconfigured(message: string): Refusal {
  return refusal(500, 'server_misconfigured', message);
}

/** Takes what was thrown for what it is; anything unexpected is logged and becomes `server_error`. */
export function refusalFrom(thrown: unknown): Refusal {
  if (isRefusal(thrown)) {
    if (thrown.status >= 500) console.error('ebbtide:', thrown.code, thrown.message, thrown.detail ?? '');
    return thrown;
  }
  console.error('ebbtide: unexpected failure', thrown);
  return refusal(500, 'server_error', 'the server failed; nothing was changed', true);
}

/** A refusal as an answer. */
export function refusalResponse({ status, code, message, retryable }: Refusal): Response {
  const headers: Record<string, string> = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' };
  if (status === 401) headers['WWW-Authenticate'] = 'Bearer';
  return new Response(JSON.stringify({ code, message, retryable }), { status, headers });
}

/** JSON text as an answer that nobody keeps. */
export function jsonResponse(json: string): Response {
  return new Response(json, { headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' } });
}

/**
 * Frames as an answer that nobody keeps. `status` is for those who send a request without reading what comes back: from 500 on it is to be
 * sent again.
 */
export function framesResponse(frames: Uint8Array | undefined, status: 200 | 500): Response {
  const headers = { 'Content-Type': 'application/octet-stream', 'Cache-Control': 'no-store' };
  return new Response((frames ?? new Uint8Array()) as BodyInit, { headers, status });
}

/** Lets a page of an allowed other origin read an answer. */
export function withOrigin(response: Response, origin: string | undefined): Response {
  if (origin === undefined || response.status === 101) return response;
  const named = new Response(response.body, response);
  named.headers.set('Access-Control-Allow-Origin', origin);
  named.headers.append('Vary', 'Origin');
  return named;
}

/** The answer to a page that asks whether it may ask. */
export function preflightResponse(): Response {
  const headers = {
    'Access-Control-Allow-Methods': 'GET, POST, OPTIONS',
    'Access-Control-Allow-Headers': 'Authorization, Content-Type, X-Client-ID, X-Sync-Version',
    'Access-Control-Max-Age': String(PREFLIGHT_SECONDS),
  };
  return new Response(null, { status: 204, headers });
}

function isRefusal(thrown: unknown): thrown is Refusal {
  if (typeof thrown !== 'object' || thrown === null) return false;
  const { status, code, message } = thrown as Partial<Record<keyof Refusal, unknown>>;
  return typeof status === 'number' && typeof code === 'string' && typeof message === 'string';
}
