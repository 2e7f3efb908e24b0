/**
 * What the worker needs of the generated module, so that types can be checked before it is built.
 */
declare module 'bench-capture' {
  export default function init(options: { module_or_path: string }): Promise<unknown>;

  export class Bench {
    static open(directory: string): Promise<Bench>;
    prepare(mode: string, rows: number): void;
    insert(): void;
    update(): void;
    remove(): void;
    finish(): number | undefined;
  }

  export class Apply {
    static open(directory: string, count: number): Promise<Apply>;
    insert(): void;
    update(): void;
    plainInsert(): void;
    plainUpdate(): void;
    finish(): void;
  }
}
