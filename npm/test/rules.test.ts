/**
 * The functions of an app, before Rust: each is checked against the schema when the server is made, and held to answer at once.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EbbtideError } from '../src/errors.ts';
import { appFunctions } from '../src/server/rules.ts';

const schema = {
  migrations: ['CREATE TABLE visit (id TEXT PRIMARY KEY NOT NULL, score INTEGER) STRICT'],
  tables: { visit: { merge: { score: 'custom' as const } }, other: {} },
};
const score = () => 1;
const question = { row: { id: 'v', score: 1 }, base: 1, mine: 2, theirs: 3, identity: { user: 'ann', device: '00' } };

function refuses(run: () => unknown, what: RegExp): void {
  assert.throws(run, (error: EbbtideError) => error.code === 'server_misconfigured' && what.test(error.message));
}

test('RU-04 each custom field has a function, and each function its field or table', () => {
  refuses(() => appFunctions(schema, {}), /^merge\.visit\.score must be a function$/);
  refuses(() => appFunctions(schema, { merge: { visit: { score: 'sum' as never } } }), /must be a function/);
  refuses(() => appFunctions(schema, { merge: { visit: { score, other: score } } }), /^merge\.visit\.other is for no field/);
  refuses(() => appFunctions(schema, { merge: { visit: { score }, constructor: { name: score } } }), /^merge\.constructor\.name/);
  refuses(() => appFunctions(schema, { merge: { visit: { score } }, validate: { nobody: () => undefined } }), /^validate\.nobody/);
  refuses(() => appFunctions(schema, { merge: { visit: { score: (async () => 1) as never } } }), /cannot be async/);
  assert.equal(appFunctions(schema, { merge: { visit: { score } }, validate: { other: () => undefined } }).validates('OTHER'), true);
});

test('RU-04 functions are found by name, whatever its case, and their answers passed on', () => {
  const seen: unknown[] = [];
  const functions = appFunctions(schema, {
    merge: { visit: { score: (asked) => (seen.push(asked), Number(asked.mine) + Number(asked.theirs)) } },
    validate: { visit: (row, context) => { seen.push(row, context); throw new Error('not today'); } },
  });
  assert.equal(functions.merge('Visit', 'SCORE', question), 5);
  const context = { before: undefined, identity: question.identity };
  assert.throws(() => functions.validate('visit', question.row, context), /^Error: not today$/);
  assert.deepEqual(seen, [question, question.row, context]);
  assert.deepEqual([functions.validates('visit'), functions.validates('other')], [true, false]);
});

test('RU-04 a promise is refused, and its failure goes nowhere', () => {
  const functions = appFunctions(schema, {
    merge: { visit: { score: (() => Promise.reject(new Error('later'))) as never } },
    validate: { visit: (() => Promise.resolve()) as never },
  });
  refuses(() => functions.merge('visit', 'score', question), /promise/);
  refuses(() => functions.validate('visit', question.row, { before: undefined, identity: question.identity }), /promise/);
});
