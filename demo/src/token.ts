/**
 * Tokens for the demo, from the local Worker that signs them for anybody. A deployed Worker has no such endpoint.
 * An app of one's own asks its identity provider here. The database calls it when it needs a token.
 */

import type { Device } from './device.ts';

/** A signed token for the device's user and space. */
export async function developmentToken(device: Device): Promise<string> {
  const query = new URLSearchParams({ user: device.user, spaces: device.space });
  const response = await fetch(`/ebbtide/dev/token?${query}`, { method: 'POST', cache: 'no-store' });
  if (!response.ok) throw new Error(`the Worker gave no development token (${response.status})`);
  const answer: unknown = await response.json();
  if (!hasToken(answer)) throw new Error('the Worker answered without a token');
  return answer.token;
}

function hasToken(answer: unknown): answer is { token: string } {
  return typeof answer === 'object' && answer !== null && 'token' in answer && typeof answer.token === 'string';
}
