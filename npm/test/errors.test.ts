/**
 * The error class, and that every code which can reach an app is explained.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { EbbtideError } from '../src/errors.ts';

const ROOT = new URL('../../', import.meta.url);

/** Where codes are made that reach an app, and how a code looks there. */
const SOURCES: [string, RegExp][] = [
  ['npm/src/{client,worker}/**/*.ts', /new EbbtideError\(\s*'([a-z_]+)'/g],
  ['npm/src/cells/*.ts', /new EbbtideError\(\s*'([a-z_]+)'/g],
  ['wasm-client/src/**/*.rs', /ClientError::(?:permanent|retryable)\(\s*"([a-z_]+)"/g],
  ['wasm-client/src/**/*.rs', /code: "([a-z_]+)"/g],
  ['store/src/local/error.rs', /DbErrorCode::\w+ => "([a-z_]+)"/g],
  ['core/src/error.rs', /RefusalCode::\w+ => "([a-z_]+)"/g],
  ['core/src/client/session.rs', /cause\("([a-z_]+)"/g],
  ['core/src/client/*.rs', /^pub const [A-Z_]+: &str = "([a-z_]+)"/gm],
];

test('JS-19 every code that can reach an app is explained in ERRORS.md', () => {
  const explained = new Set(readFileSync(new URL('npm/ERRORS.md', ROOT), 'utf8').match(/(?<=^\| `)[a-z_]+(?=` \|)/gm));
  const made = new Set<string>();
  for (const [pattern, code] of SOURCES) {
    const files = globSync(pattern, { cwd: ROOT });
    assert.ok(files.length > 0, pattern);
    for (const file of files) {
      for (const match of readFileSync(new URL(file, ROOT), 'utf8').matchAll(code)) made.add(match[1]!);
    }
  }
  assert.ok(made.size > 30, `only ${made.size} codes were found`);
  assert.deepEqual([...made].filter((code) => !explained.has(code)), []);
});

test('JS-19 an error crosses a boundary with its code, message, retryable and cause', () => {
  const error = new EbbtideError('disk_full', 'no room', { retryable: true, cause: new Error('quota') });
  const crossed = EbbtideError.from(structuredClone(error.toJSON()));
  assert.deepEqual([crossed.name, crossed.code, crossed.message, crossed.retryable, crossed.cause], ['EbbtideError', 'disk_full', 'no room', true, 'Error: quota']);
  assert.equal(EbbtideError.from(error), error);
});

test('JS-19 whatever else is thrown becomes an internal error that keeps it', () => {
  for (const thrown of [new TypeError('x'), 'text', undefined, null, { code: 7 }]) {
    const error = EbbtideError.from(thrown);
    assert.equal(error.code, 'internal_error');
    assert.equal(error.retryable, false);
  }
});

test('JS-21 importing the package touches nothing of a browser', async () => {
  const { open } = await import('../src/index.ts');
  await assert.rejects(open({ name: 'x', schema: { migrations: [], tables: {} } }), (error) => error instanceof EbbtideError && error.code === 'not_a_browser');
});
