/**
 * Ebbtide's wasm client with a loop beside it: what the package's own worker runs, without the way from the page.
 * Values cross as they do there, through the package's encoder. `page.ts` starts it.
 */
import init, { Client } from '../../../npm/wasm/client/ebbtide_client.js';
import { decodeRows, encodeParameters, encodeRows } from '../../../npm/src/cells.ts';
import { answerCalls } from './messages.ts';
import { schemaOf } from './schema.ts';
import { runLoops, type Engine } from './sync-loop.ts';
import { INSERT, SELECT, UPDATE } from './workload.ts';

let client: Client;

/** Nothing is synced, so nobody asks anything of it. */
const host = { token: () => Promise.reject(new Error('there is no server')), notice() {}, changed() {}, mirror() {} };

const engine: Engine = {
  insertMany: (rows) => void client.execMany(INSERT, encodeRows(rows)),
  insertOne: (row) => void client.exec(INSERT, encodeParameters(row)),
  updateMany: (pairs) => void client.execMany(UPDATE, encodeRows(pairs)),
  updateOne: (note, id) => void client.exec(UPDATE, encodeParameters([note, id])),
  select: (id) => decodeRows(client.query(SELECT, encodeParameters([id])))[0],
};

answerCalls({
  async open({ name, captured, wasmUrl }) {
    await init({ module_or_path: wasmUrl });
    const options = { name, schema: schemaOf(captured), storage: 'opfs', durability: 'full' };
    client = await Client.open(JSON.stringify(options), host);
    return null;
  },
  loops: (counts) => runLoops(engine, counts),
  close() {
    client.close();
    return null;
  },
});
