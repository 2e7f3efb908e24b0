/**
 * Routes, tokens and origins of a real Worker: everything that is refused before an object is touched.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { seconds, token } from './harness/device.ts';
import { SECRET, Server } from './harness/server.ts';

let server: Server;
before(async () => { server = await Server.start(); });
after(() => server[Symbol.asyncDispose]());

const claims = (more: object = {}) => ({ sub: 'ada', spaces: { 'clinic-7': 'writer' }, exp: seconds(60), ...more });
const bearer = (claims: object, secret?: string) => ({ Authorization: `Bearer ${token(claims, secret)}` });

async function ask(path: string, init: RequestInit = {}) {
  const response = await fetch(`${server.origin}${path}`, init);
  const text = await response.text();
  const body = text.startsWith('{') ? JSON.parse(text) : text;
  return { status: response.status, code: body.code as string, body, headers: response.headers };
}

const sync = (headers: Record<string, string>, space = 'clinic-7') =>
  ask(`/ebbtide/v1/spaces/${space}/sync`, { method: 'POST', headers, body: new Uint8Array([1]) });

test('SV-20 health answers, and unknown addresses are typed', async () => {
  assert.deepEqual((await ask('/ebbtide/v1/health')).body, { status: 'ok', version: 1 });
  for (const path of ['/', '/ebbtide', '/ebbtide/v2/health', '/ebbtide/v1/spaces/a']) {
    const { status, body } = await ask(path);
    assert.equal(status, 404);
    assert.deepEqual(Object.keys(body), ['code', 'message', 'retryable']);
    assert.equal(body.code, 'not_found');
  }
});

test('SV-20 a wrong method is typed', async () => {
  assert.deepEqual((({ status, code }) => ({ status, code }))(await ask('/ebbtide/v1/spaces/a/sync')), { status: 405, code: 'method_not_allowed' });
});

test('SV-13 no token, a wrong one, and one of another secret are refused', async () => {
  const cases: Record<string, string>[] = [{}, { Authorization: 'Bearer x' }, { Authorization: 'Basic eA==' }, bearer(claims(), 'another secret')];
  for (const headers of cases) {
    const { status, code, headers: answered } = await sync(headers);
    assert.deepEqual([status, code], [401, 'unauthorized']);
    assert.equal(answered.get('WWW-Authenticate'), 'Bearer');
  }
});

test('SV-11 an expired token says so', async () => {
  assert.deepEqual((({ status, code }) => [status, code])(await sync(bearer(claims({ exp: seconds(-1) })))), [401, 'token_expired']);
});

test('SV-10 a space that is not in the token stays closed, on every route', async () => {
  for (const route of ['sync', 'ticket']) {
    const { status, code } = await ask(`/ebbtide/v1/spaces/clinic-8/${route}`, { method: 'POST', headers: bearer(claims()) });
    assert.deepEqual([status, code], [403, 'forbidden_space']);
  }
});

test('SV-17 a socket without a ticket, or with one that was never issued, is refused', async () => {
  const upgrade = async (protocol: string) => {
    const { request } = await import('node:http');
    const url = new URL(`${server.origin}/ebbtide/v1/spaces/never-used/socket`);
    return new Promise<number>((resolve, reject) => {
      const headers = {
        Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Protocol': protocol,
      };
      request(url, { headers }).on('response', (response) => { response.resume(); resolve(response.statusCode ?? 0); })
        .on('upgrade', (_response, socket) => { socket.destroy(); resolve(101); }).on('error', reject).end();
    });
  };
  assert.equal(await upgrade('ebbtide.v1'), 401);
  assert.equal(await upgrade(`ebbtide.v1, ebbtide.ticket.${'A'.repeat(43)}`), 401);
  assert.equal(await upgrade(`ebbtide.ticket.${'A'.repeat(43)}`), 426);
  assert.equal((await ask('/ebbtide/v1/spaces/a/socket')).code, 'upgrade_required');
});

test('SV-19 pages of other origins are refused, those on the list are not', async () => {
  const foreign = await sync({ ...bearer(claims()), Origin: 'https://evil.example' });
  assert.deepEqual([foreign.status, foreign.code], [403, 'origin_forbidden']);
  const own = await sync({ ...bearer(claims()), Origin: server.origin });
  assert.notEqual(own.status, 403);
  const preflight = await ask('/ebbtide/v1/spaces/a/sync', { method: 'OPTIONS', headers: { Origin: 'https://field.example' } });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get('Access-Control-Allow-Origin'), 'https://field.example');
  assert.match(preflight.headers.get('Access-Control-Allow-Headers') ?? '', /X-Client-ID/);
  const refused = await sync({ Origin: 'https://field.example' });
  assert.equal(refused.headers.get('Access-Control-Allow-Origin'), 'https://field.example', 'a page may read why');
});

test('SV-21 another version is told to update', async () => {
  const { status, code } = await sync({ ...bearer(claims()), 'X-Sync-Version': '9' });
  assert.deepEqual([status, code], [426, 'unsupported_version']);
});

test('SV-16 development tokens work', async () => {
  const { body } = await ask('/ebbtide/dev/token?user=ada&spaces=clinic-7', { method: 'POST' });
  const { status } = await sync({ Authorization: `Bearer ${body.token}` });
  assert.equal(status, 400, 'the token opens the space; the body is no message');
  assert.ok(body.expiresAt > Date.now());
});

test('SV-16 without the variable there are no development tokens', async () => {
  await using other = await Server.start({ bindings: {} });
  const response = await fetch(`${other.origin}/ebbtide/dev/token?user=ada&spaces=a`);
  assert.equal(response.status, 404);
  assert.equal(((await response.json()) as { code: string }).code, 'not_found');
});

test('SV-23 a missing secret is the operator’s mistake and says so', async () => {
  await using other = await Server.start({ bindings: { EBBTIDE_JWT_SECRET: '' } });
  const response = await fetch(`${other.origin}/ebbtide/v1/spaces/a/sync`, { method: 'POST', headers: bearer(claims(), SECRET) });
  assert.equal(response.status, 500);
  assert.equal(((await response.json()) as { code: string }).code, 'server_misconfigured');
});
