/**
 * Runs something once, after the messages that are already waiting.
 * A timer would do the same a few milliseconds later. Used to answer a write before its live queries run.
 */

/** A task of which one run at most is pending. */
export class Later {
  readonly #channel = new MessageChannel();
  #requested = false;

  constructor(task: () => void) {
    this.#channel.port1.onmessage = () => {
      this.#requested = false;
      task();
    };
  }

  /** Asks for a run; asking again before it happens changes nothing. */
  request(): void {
    if (this.#requested) return;
    this.#requested = true;
    this.#channel.port2.postMessage(null);
  }
}
