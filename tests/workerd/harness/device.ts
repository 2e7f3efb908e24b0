/**
 * A device of the tests: a token, an incarnation, and messages over HTTP or a socket, said exactly as a test wants them.
 * It keeps no database and draws no conclusions. Tests drive it.
 */
import { once } from 'node:events';
import { createHmac, randomBytes } from 'node:crypto';
import type { Frames, Message } from './frames.ts';
import { SECRET, type Server } from './server.ts';

/** Signs a token. */
export function token(claims: object, secret: string = SECRET): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** Seconds since the epoch, for claims. */
export function seconds(fromNow: number): number {
  return Math.floor(Date.now() / 1000) + fromNow;
}

/** A device in one space. */
export class Device {
  readonly id = randomBytes(16).toString('hex');
  readonly server: Server;
  readonly frames: Frames;
  readonly space: string;
  readonly claims: object;
  next = 1;
  cursor = 0;
  chain = '0000000000000000';

  constructor(server: Server, frames: Frames, space: string, role = 'writer', lifetime = 3600) {
    this.server = server;
    this.frames = frames;
    this.space = space;
    this.claims = { sub: `user of ${this.id.slice(0, 4)}`, spaces: { [space]: role }, exp: seconds(lifetime) };
  }

  get headers(): Record<string, string> {
    return { Authorization: `Bearer ${token(this.claims)}`, 'X-Client-ID': this.id, 'X-Sync-Version': '1' };
  }

  url(route: string): string {
    return `${this.server.origin}/ebbtide/v1/spaces/${encodeURIComponent(this.space)}/${route}`;
  }

  hello(): Message {
    return { type: 'hello', device: this.id, next: this.next, cursor: this.cursor, chain: this.chain };
  }

  /** A changeset of one transaction under the next number. */
  submit(changes: object[], deviceSeq = this.next): Message {
    return { type: 'submit', deviceSeq, transactions: [{ stamp: Date.now() * 65536 + deviceSeq, changes }] };
  }

  /** Posts messages behind a hello; answers what the space says. */
  async sync(...messages: Message[]): Promise<Message[]> {
    const response = await this.post(await this.frames.encode([this.hello(), ...messages]));
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    const answers = await this.frames.decode(new Uint8Array(await response.arrayBuffer()));
    this.note(answers);
    return answers;
  }

  /** Takes note of receipts and ranges, as a client would. */
  note(answers: readonly Message[]): void {
    for (const answer of answers) {
      if (answer.type === 'receipt') this.next = Math.max(this.next, answer['deviceSeq'] + 1);
      if (answer.type === 'range' && answer['from'] <= this.cursor && answer['upto'] >= this.cursor) {
        this.cursor = answer['upto'];
        this.chain = answer['chain'];
      }
    }
  }

  /** Posts any bytes. */
  async post(body: Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.url('sync'), { method: 'POST', body, headers: { ...this.headers, ...headers } });
  }

  /** A ticket for a socket. */
  async ticket(): Promise<string> {
    const response = await fetch(this.url('ticket'), { method: 'POST', headers: this.headers });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return ((await response.json()) as { ticket: string }).ticket;
  }

  /** Opens a socket and says hello. */
  async connect(): Promise<Socket> {
    const socket = await Socket.open(this, await this.ticket());
    await socket.send(this.hello());
    this.note(await socket.receive());
    return socket;
  }
}

/** A device's socket. */
export class Socket implements Disposable {
  readonly #device: Device;
  readonly socket: WebSocket;
  readonly #received: Uint8Array[] = [];
  #arrived: () => void = () => undefined;
  closed: { code: number } | undefined;

  private constructor(device: Device, socket: WebSocket) {
    this.#device = device;
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('message', ({ data }) => {
      this.#received.push(typeof data === 'string' ? new TextEncoder().encode(data) : new Uint8Array(data));
      this.#arrived();
    });
    socket.addEventListener('close', ({ code }) => {
      this.closed = { code };
      this.#arrived();
    });
  }

  /** Opens a socket with a ticket; rejects when the server does not take it. */
  static async open(device: Device, ticket: string): Promise<Socket> {
    const url = device.url('socket').replace('http', 'ws');
    const socket = new WebSocket(url, ['ebbtide.v1', `ebbtide.ticket.${ticket}`]);
    const opened = new Socket(device, socket);
    const failed = once(socket, 'error').then(() => Promise.reject(new Error('the socket was refused')));
    await Promise.race([once(socket, 'open'), failed]);
    return opened;
  }

  /** Sends messages as one. */
  async send(...messages: Message[]): Promise<void> {
    this.socket.send(await this.#device.frames.encode(messages));
  }

  /** The next message from the space, or an empty list when the socket closes first. */
  async receive(): Promise<Message[]> {
    const bytes = await this.receiveBytes();
    return bytes === undefined ? [] : this.#device.frames.decode(bytes);
  }

  /** The bytes of the next message. */
  async receiveBytes(): Promise<Uint8Array | undefined> {
    const deadline = AbortSignal.timeout(10_000);
    while (this.#received.length === 0 && this.closed === undefined) {
      await new Promise<void>((resolve, reject) => {
        this.#arrived = resolve;
        deadline.addEventListener('abort', () => reject(new Error('nothing came within 10 s')));
      });
    }
    return this.#received.shift();
  }

  /** Waits until the server closes the socket; answers the code. */
  async closing(): Promise<number> {
    while (this.closed === undefined) await this.receiveBytes();
    return this.closed.code;
  }

  [Symbol.dispose](): void {
    this.socket.close();
  }
}
