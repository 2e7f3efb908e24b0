/**
 * A loopback proxy before the local Worker that counts application payload: bodies of requests and answers, and the
 * payload of WebSocket messages; headers, frames' heads and the page's own files are not application payload.
 * It never looks into a message. The sync part puts one before each device.
 */
import { createServer, request as startRequest } from 'node:http';
import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';
import { FrameCounter } from './frames.mjs';

/** The protocol's paths; the page's files and the tokens of local development come from elsewhere in an app. */
const COUNTED = /^\/ebbtide\/v1\//;

/** A compressed socket would hide how large messages are, so the offer to compress is not passed on. */
const DROPPED = 'sec-websocket-extensions';

export class CountingProxy {
  /** Everything that passed: `{ at, direction, kind, bytes }`, times as of `performance.now()`. */
  records = [];
  #server;
  #target;
  #sockets = new Set();

  /** Listens on a free port of its own and passes everything on to the target port. */
  static async start(target) {
    const proxy = new CountingProxy();
    proxy.#target = target;
    proxy.#server = createServer((request, response) => proxy.#pass(request, response));
    proxy.#server.on('upgrade', (request, socket, head) => proxy.#upgrade(request, socket, head));
    await new Promise((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get origin() {
    return `http://localhost:${this.#server.address().port}`;
  }

  /** Forgets what was counted so far. */
  reset() {
    this.records = [];
  }

  /** Bytes in one direction since the last reset. */
  bytes(direction) {
    return this.records.filter((record) => record.direction === direction).reduce((sum, record) => sum + record.bytes, 0);
  }

  /** The first message in one direction since the last reset. */
  first(direction) {
    return this.records.find((record) => record.direction === direction);
  }

  async close() {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve).closeAllConnections());
  }

  #pass(request, response) {
    const isCounted = COUNTED.test(request.url);
    const count = (direction, bytes) => isCounted && this.#record(direction, 'body', bytes);
    const options = { port: this.#target, host: '127.0.0.1', method: request.method, path: request.url, headers: request.headers };
    const upstream = startRequest(options, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.on('data', (bytes) => count('down', bytes.length));
      answer.pipe(response);
    });
    upstream.on('error', () => response.destroy());
    request.on('data', (bytes) => count('up', bytes.length));
    request.pipe(upstream);
  }

  #upgrade(request, client, head) {
    const upstream = connect({ port: this.#target, host: '127.0.0.1', noDelay: true });
    client.setNoDelay(true);
    for (const socket of [client, upstream]) this.#track(socket);
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
    upstream.write(handshake(request));
    upstream.write(head);
    const up = new FrameCounter((bytes) => this.#record('up', 'message', bytes));
    const down = new FrameCounter((bytes) => this.#record('down', 'message', bytes), { afterHead: true });
    client.on('data', (bytes) => {
      up.push(bytes);
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => {
      down.push(bytes);
      client.write(bytes);
    });
  }

  /** A socket that breaks closes its partner by its `close`; there is nothing else to do about it. */
  #track(socket) {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #record(direction, kind, bytes) {
    this.records.push({ at: performance.now(), direction, kind, bytes });
  }
}

function handshake(request) {
  const lines = [`${request.method} ${request.url} HTTP/1.1`];
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    const [name, value] = [request.rawHeaders[index], request.rawHeaders[index + 1]];
    if (name.toLowerCase() !== DROPPED) lines.push(`${name}: ${value}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}
