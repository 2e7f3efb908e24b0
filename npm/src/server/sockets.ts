/**
 * Sockets of a space's object: sending what Rust answered, and offering a new commit to the others.
 * A socket's memory is its attachment, so the object may sleep between any two messages.
 */
import type { ObjectState, ServerSocket } from './platform.ts';
import type { Space } from '../../wasm/worker/ebbtide_worker.js';

/** What Rust wants done with one socket. */
export interface SocketOrder {
  readonly seat?: Uint8Array;
  readonly frames?: Uint8Array;
  readonly close?: number;
}

/** Carries an order out. A socket that is already gone misses nothing: its device pulls when it comes back. */
export function carryOut(socket: ServerSocket, { seat, frames, close }: SocketOrder): void {
  try {
    if (seat !== undefined) socket.serializeAttachment(seat);
    if (frames !== undefined) socket.send(frames);
    if (close !== undefined) socket.close(close, 'see the last message');
  } catch (thrown) {
    console.warn('ebbtide: a socket is gone', thrown);
  }
}

/** Offers what is new to every socket but the one it came from. */
export function fanOut(ctx: ObjectState, space: Space, from: ServerSocket | undefined, now: number): void {
  const sockets = ctx.getWebSockets().filter((socket) => socket !== from);
  const seated = sockets.map((socket) => ({ socket, seat: socket.deserializeAttachment() })).filter(hasSeat);
  if (seated.length === 0) return;
  const orders = space.offer(seated.map(({ seat }) => seat), now) as SocketOrder[];
  seated.forEach(({ socket }, at) => carryOut(socket, orders[at] ?? {}));
}

function hasSeat(entry: { socket: ServerSocket; seat: unknown }): entry is { socket: ServerSocket; seat: Uint8Array } {
  return entry.seat instanceof Uint8Array;
}
