/**
 * The Durable Object of a space: it holds the storage, the sockets and the alarm, and asks Rust what to do with each.
 * It decides nothing about messages. `createServer` binds it to the app's schema.
 */
import { DurableObject } from 'cloudflare:workers';
import type { Space } from '../../wasm/worker/ebbtide_worker.js';
import { readBody } from './body.ts';
import type { OnCommit } from './hook.ts';
import { TICKET_BYTES } from './limits.ts';
import { rust } from './module.ts';
import { Outbox } from './outbox.ts';
import { runtime, type ObjectState, type ServerEnv, type ServerSocket } from './platform.ts';
import { framesResponse, jsonResponse, refusal, refusalFrom, refusalResponse } from './replies.ts';
import type { AppFunctions } from './rules.ts';
import { carryOut, fanOut, type SocketOrder } from './sockets.ts';

/** What Rust answers to a message. */
interface Answer extends SocketOrder {
  readonly committed: boolean;
  readonly log?: string;
}

/** The class that wrangler.toml names. The runtime calls its methods; an app only exports it. */
export interface SpaceObject {
  fetch(request: Request): Promise<Response>;
  webSocketMessage(socket: ServerSocket, message: string | ArrayBuffer): Promise<void>;
  webSocketClose(socket: ServerSocket, code: number): Promise<void>;
  webSocketError(socket: ServerSocket, error: unknown): Promise<void>;
  alarm(): Promise<void>;
}

/** A Durable Object class. */
export type SpaceObjectClass = new (ctx: never, env: never) => SpaceObject;

/** The class for an app's schema and functions. */
export function spaceObjectClass(schemaJson: string, functions: AppFunctions, onCommit: OnCommit<never> | undefined): SpaceObjectClass {
  return class SyncSpace extends DurableObject implements SpaceObject {
    readonly #ctx: ObjectState;
    readonly #outbox: Outbox;
    #space: Space | undefined;

    constructor(ctx: ObjectState, env: ServerEnv) {
      super(ctx, env);
      this.#ctx = ctx;
      this.#outbox = new Outbox(ctx.storage, env, onCommit);
      ctx.setWebSocketAutoResponse(new runtime.WebSocketRequestResponsePair('ping', 'pong'));
    }

    async fetch(request: Request): Promise<Response> {
      try {
        return await this.#answer(request, new URL(request.url));
      } catch (thrown) {
        return refusalResponse(refusalFrom(thrown));
      }
    }

    async webSocketMessage(socket: ServerSocket, message: string | ArrayBuffer): Promise<void> {
      try {
        const space = await this.#open(undefined);
        const seat = socket.deserializeAttachment() as Uint8Array;
        // Text is no message of the protocol; as bytes it is refused like any other garbage.
        const body = typeof message === 'string' ? new TextEncoder().encode(message) : new Uint8Array(message);
        const answer = space.socketMessage(seat, body, Date.now()) as Answer;
        carryOut(socket, answer);
        this.#afterwards(space, answer, socket);
      } catch (thrown) {
        const { code } = refusalFrom(thrown);
        carryOut(socket, { close: 4500 });
        console.error('ebbtide: a socket was closed', code);
      }
    }

    async webSocketClose(socket: ServerSocket, code: number): Promise<void> {
      // 1005 and 1006 say that there was no code, and may not be sent.
      carryOut(socket, { close: code === 1005 || code === 1006 ? 1000 : code });
      await this.#left(socket);
    }

    async webSocketError(socket: ServerSocket, error: unknown): Promise<void> {
      console.warn('ebbtide: a socket failed', error);
      await this.#left(socket);
    }

    async alarm(): Promise<void> {
      await this.#outbox.deliver(() => this.#open(undefined));
    }

    /** Where the device behind a socket is gets written down. Without it history is only kept for longer. */
    async #left(socket: ServerSocket): Promise<void> {
      const seat = socket.deserializeAttachment();
      if (!(seat instanceof Uint8Array)) return;
      try {
        (await this.#open(undefined)).socketClosed(seat, Date.now());
      } catch (thrown) {
        console.error('ebbtide: a cursor was not noted', refusalFrom(thrown).code);
      }
    }

    async #answer(request: Request, url: URL): Promise<Response> {
      const name = url.searchParams.get('name') ?? '';
      const access = decodeURIComponent(request.headers.get('X-Ebbtide-Access') ?? '');
      const device = request.headers.get('X-Client-ID') ?? undefined;
      switch (url.pathname) {
        case '/sync': {
          const body = await readBody(request, rust().messageBytes());
          const space = await this.#open(name);
          const answer = space.sync(access, device, body, Date.now()) as Answer;
          this.#afterwards(space, answer, undefined);
          return framesResponse(answer.frames, answer.log === undefined ? 200 : 500);
        }
        case '/ticket': {
          const space = await this.#open(name);
          const random = crypto.getRandomValues(new Uint8Array(TICKET_BYTES));
          return jsonResponse(space.issueTicket(access, device, random, Date.now()));
        }
        default:
          return this.#accept(name, request.headers.get('Sec-WebSocket-Protocol') ?? '');
      }
    }

    /** Opens a socket for the holder of a ticket. An object that never held a space has issued none and is left alone. */
    async #accept(name: string, ticket: string): Promise<Response> {
      if (!this.#unopened().exists()) throw refusal(401, 'unauthorized', 'the ticket was never issued');
      const space = await this.#open(name);
      const seat = space.redeemTicket(ticket, name, Date.now());
      const { 0: client, 1: server } = new runtime.WebSocketPair();
      this.#ctx.acceptWebSocket(server);
      server.serializeAttachment(seat);
      const headers = { 'Sec-WebSocket-Protocol': 'ebbtide.v1' };
      return new Response(null, { status: 101, webSocket: client, headers } as ResponseInit);
    }

    #afterwards(space: Space, { committed, log }: Answer, from: ServerSocket | undefined): void {
      if (log !== undefined) console.error('ebbtide: a message failed in storage', log);
      if (!committed) return this.#outbox.inUse();
      try {
        fanOut(this.#ctx, space, from, Date.now());
      } catch (thrown) {
        // The commit stands; devices that missed the offer pull.
        refusalFrom(thrown);
      }
      this.#outbox.wake();
    }

    #unopened(): Space {
      this.#space ??= new (rust().Space)(this.#ctx.storage as never, schemaJson, functions as never);
      return this.#space;
    }

    /** The space, migrated and open. Nothing else runs in the object meanwhile. */
    async #open(name: string | undefined): Promise<Space> {
      const space = this.#unopened();
      if (space.isOpen) return space;
      const failed = await this.#ctx.blockConcurrencyWhile(async () => {
        // What is thrown here would reset the object, so it is carried out as a value.
        try {
          if (!space.isOpen) await this.#migrate(space, name);
          return undefined;
        } catch (thrown) {
          return refusalFrom(thrown);
        }
      });
      if (failed !== undefined) throw failed;
      return space;
    }

    /** `sync` ends the event: a migration is alone in its own, because it turns foreign keys off, which only works before a write. */
    async #migrate(space: Space, name: string | undefined): Promise<void> {
      try {
        for (const index of space.pendingMigrations()) {
          await this.#ctx.storage.sync();
          space.migrate(index, Date.now());
          await this.#ctx.storage.sync();
        }
        space.load(Date.now());
      } catch (thrown) {
        await this.#ctx.storage.sync();
        if (!space.loadPresent()) throw thrown;
        // The version before goes on serving; newer devices are told to wait.
        const { code, message } = refusalFrom(thrown);
        console.error('ebbtide: the space stays at its schema version', code, message);
      }
      await this.#ctx.storage.sync();
      space.open(name);
      this.#outbox.opened(space);
    }
  } as unknown as SpaceObjectClass;
}
