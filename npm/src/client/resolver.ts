/**
 * The app's own resolver: asked once for each open conflict while the database is open, its answer carried out.
 * It knows nothing of how a choice is decided. `open.ts` makes it where the app gave a function.
 */
import type { Conflicts, OpenOptions } from '../types.ts';

/** Asks the app about conflicts, one after the other. */
export class Resolver {
  readonly #resolve: NonNullable<OpenOptions['resolve']>;
  readonly #asked = new Set<string>();
  #conflicts: Conflicts | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(resolve: NonNullable<OpenOptions['resolve']>) {
    this.#resolve = resolve;
  }

  /** The database is open: those that wait already come first. */
  start(conflicts: Conflicts): void {
    this.#conflicts = conflicts;
    this.look();
  }

  /** There may be new ones. */
  look(): void {
    this.#work = this.#work.then(() => this.#askAll()).catch(reportError);
  }

  async #askAll(): Promise<void> {
    const conflicts = this.#conflicts;
    if (conflicts === undefined) return;
    for (const conflict of await conflicts.list()) {
      if (this.#asked.has(conflict.id)) continue;
      this.#asked.add(conflict.id);
      // What it throws is the app's to see; the conflict stays open.
      try {
        const resolution = await this.#resolve(conflict);
        if (resolution !== undefined) await conflicts.resolve(conflict.id, resolution);
      } catch (thrown) {
        reportError(thrown);
      }
    }
  }
}
