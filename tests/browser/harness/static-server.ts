/**
 * A loopback server for tests: the built package under `/ebbtide/`, a page that imports it, and a log of acknowledgements.
 * It knows nothing of sync. The local-database tests and the two-device tests load their pages from it.
 */
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = fileURLToPath(new URL('../../../npm/dist/', import.meta.url));
const TYPES: Record<string, string> = {
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
  '.map': 'application/json',
  '.html': 'text/html',
};

const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Ebbtide test page</title>
<script type="module">
  import * as ebbtide from '/ebbtide/index.js';
  globalThis.ebbtide = ebbtide;
  globalThis.ready = true;
</script></html>`;

/** A running server. */
export interface StaticServer extends AsyncDisposable {
  readonly origin: string;
  /** Bodies posted to `/ack`, in order: what a page says it has been told is durable. */
  readonly acknowledged: string[];
}

/** Starts it on a free port. `extra` answers further paths, with a type and a text. */
export async function serve(extra: Record<string, { type: string; body: string | Buffer }> = {}): Promise<StaticServer> {
  const acknowledged: string[] = [];
  const server = createServer((request, response) => {
    answer(request, response, acknowledged, extra).catch((error: unknown) => send(response, 500, 'text/plain', String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    acknowledged,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  acknowledged: string[],
  extra: Record<string, { type: string; body: string | Buffer }>,
): Promise<void> {
  const path = new URL(request.url ?? '/', 'http://localhost').pathname;
  if (path === '/ack') {
    acknowledged.push(await text(request));
    return send(response, 200, 'text/plain', 'ok');
  }
  const known = extra[path];
  if (known !== undefined) return send(response, 200, known.type, known.body);
  if (path.startsWith('/ebbtide/')) return sendFile(response, path.slice('/ebbtide/'.length));
  if (path === '/' || path === '/other') return send(response, 200, 'text/html', PAGE);
  send(response, 404, 'text/plain', 'not found');
}

async function sendFile(response: ServerResponse, name: string): Promise<void> {
  const file = join(DIST, normalize(`/${name}`));
  send(response, 200, TYPES[extname(file)] ?? 'application/octet-stream', await readFile(file));
}

function send(response: ServerResponse, status: number, type: string, body: string | Buffer): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-cache' });
  response.end(body);
}

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
