/**
 * Packs and unpacks messages with the real codec, which a native helper offers over its standard streams.
 * It knows no conversation. `device.ts` speaks through it.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { SchemaDefinition } from '../../../npm/src/types.ts';

/** A message in either direction. */
export type Message = { readonly type: string } & Record<string, any>;

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** The helper, running. */
export class Frames implements Disposable {
  readonly #helper: ChildProcessWithoutNullStreams;
  readonly #waiting: { resolve(answer: any): void; reject(error: Error): void }[] = [];

  constructor(schema: SchemaDefinition) {
    const command = ['run', '--quiet', '--profile', 'sim', '--package', 'ebbtide-worker', '--example', 'frames', '--', JSON.stringify(schema)];
    const built = process.env['EBBTIDE_FRAMES'];
    this.#helper = built === undefined
      ? spawn('cargo', command, { cwd: ROOT })
      : spawn(built, [JSON.stringify(schema)]);
    this.#helper.stderr.pipe(process.stderr);
    createInterface(this.#helper.stdout).on('line', (line) => this.#waiting.shift()?.resolve(JSON.parse(line)));
    this.#helper.on('exit', (code) => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(`the frames helper ended with ${code}`));
    });
  }

  /** A message of a device as bytes. */
  async encode(messages: readonly Message[]): Promise<Uint8Array<ArrayBuffer>> {
    const { bytes } = await this.#ask({ encode: messages });
    return Uint8Array.from(Buffer.from(bytes, 'hex'));
  }

  /** What a space sent. */
  async decode(bytes: Uint8Array): Promise<Message[]> {
    const answer = await this.#ask({ decode: Buffer.from(bytes).toString('hex') });
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.messages;
  }

  [Symbol.dispose](): void {
    this.#helper.stdin.end();
  }

  #ask(request: object): Promise<any> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#helper.stdin.write(`${JSON.stringify(request)}\n`);
    });
  }
}
