/**
 * A loopback proxy between a browser and the local Worker: counts bytes, and loses, delays or refuses on command.
 * It passes TCP and knows neither HTTP nor frames. The tests with bad networks put one before each device.
 */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

/** Bytes that passed since the last `reset`. */
export interface Traffic {
  readonly up: number;
  readonly down: number;
  readonly connections: number;
}

/** A running proxy. The address stays the same while the target and the faults change. */
export class LoopbackProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #target: number;
  #isOffline = false;
  #delayMs = 0;
  #onReply: (() => void) | undefined;
  #upLimit: { readonly bytes: number; readonly reached: () => void } | undefined;
  #traffic = { up: 0, down: 0, connections: 0 };

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.#target = target;
    server.on('connection', (client) => this.#accept(client));
  }

  /** Listens on a free port and passes everything to the target port. */
  static async start(target: number): Promise<LoopbackProxy> {
    const server = createServer({ noDelay: true });
    const proxy = new LoopbackProxy(server, target);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** `localhost`, because service workers and OPFS need a secure context. */
  get origin(): string {
    return `http://localhost:${this.port}`;
  }

  get traffic(): Traffic {
    return { ...this.#traffic };
  }

  reset(): void {
    this.#traffic = { up: 0, down: 0, connections: 0 };
  }

  /** Where new connections go from now on, for instance after the Worker was started again. */
  retarget(port: number): void {
    this.#target = port;
  }

  /** Cuts every connection and refuses new ones. */
  goOffline(): void {
    this.#isOffline = true;
    for (const [client, upstream] of this.#pairs) {
      client.resetAndDestroy();
      upstream.destroy();
    }
  }

  goOnline(): void {
    this.#isOffline = false;
  }

  /** Holds every piece back for so long, in both directions and in order. */
  delay(milliseconds: number): void {
    this.#delayMs = milliseconds;
  }

  /** Throws the server's next bytes away and goes offline at that moment. Resolves when that has happened. */
  loseNextReply(): Promise<void> {
    return new Promise((resolve) => {
      this.#onReply = () => {
        this.#onReply = undefined;
        this.goOffline();
        resolve();
      };
    });
  }

  /** Goes offline as soon as so many more bytes have gone up. Resolves when that has happened. */
  cutAfter(bytes: number): Promise<void> {
    return new Promise((reached) => {
      this.#upLimit = { bytes: this.#traffic.up + bytes, reached };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.goOffline();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket): void {
    if (this.#isOffline) {
      client.resetAndDestroy();
      return;
    }
    this.#traffic.connections += 1;
    const upstream = connect({ port: this.#target, host: '127.0.0.1', noDelay: true });
    const pair = [client, upstream] as const;
    this.#pairs.add(pair);
    this.#pass(client, upstream, (bytes) => { this.#traffic.up += bytes; }, () => this.#checkUpLimit());
    this.#pass(upstream, client, (bytes) => { this.#traffic.down += bytes; }, () => this.#onReply?.());
    client.on('close', () => this.#pairs.delete(pair));
  }

  /** Copies one direction. An end passes on as an end, a failure as a failure of both sides. */
  #pass(from: Socket, to: Socket, count: (bytes: number) => void, before?: () => void): void {
    from.on('data', (bytes) => {
      before?.();
      if (this.#isOffline) return;
      count(bytes.length);
      this.#later(() => to.writable && to.write(bytes));
    });
    from.on('end', () => this.#later(() => to.end()));
    from.on('error', () => to.destroy());
    from.on('close', () => this.#later(() => to.destroy()));
  }

  #checkUpLimit(): void {
    if (this.#upLimit === undefined || this.#traffic.up < this.#upLimit.bytes) return;
    this.#upLimit.reached();
    this.#upLimit = undefined;
    this.goOffline();
  }

  #later(action: () => void): void {
    if (this.#delayMs === 0) action();
    else setTimeout(action, this.#delayMs);
  }
}
