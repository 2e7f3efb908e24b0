/**
 * The one error class of the package.
 * It carries a stable code and knows nothing of where the failure was; every code is explained in ERRORS.md.
 * Thrown by every entry point, and rebuilt from plain objects that came out of a worker or the wasm module.
 */

/** An error as it crosses a worker or wasm boundary. */
export interface ErrorFacts {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly cause?: unknown;
}

/** What can be said of an error beside its code and message. */
export interface ErrorDetails {
  /** Whether the same call may succeed later without anybody changing anything. Default: no. */
  readonly retryable?: boolean;
  /** The error or text behind this one. */
  readonly cause?: unknown;
}

/** Every error that Ebbtide throws or rejects with. */
export class EbbtideError extends Error {
  /** Stable and in snake_case; listed in ERRORS.md. Branch on this, never on the message. */
  readonly code: string;
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'EbbtideError';
    this.code = code;
    this.retryable = details.retryable ?? false;
  }

  /** The error without its stack, for a message to another thread or a log line. */
  toJSON(): ErrorFacts {
    const facts = { code: this.code, message: this.message, retryable: this.retryable };
    return this.cause === undefined ? facts : { ...facts, cause: describeCause(this.cause) };
  }

  /** Rebuilds an error from what crossed a boundary. What is not in the expected shape becomes `internal_error`. */
  static from(thrown: unknown): EbbtideError {
    if (thrown instanceof EbbtideError) return thrown;
    if (isErrorFacts(thrown)) return new EbbtideError(thrown.code, thrown.message, thrown);
    return new EbbtideError('internal_error', describeCause(thrown), { cause: thrown });
  }
}

function isErrorFacts(thrown: unknown): thrown is ErrorFacts {
  if (typeof thrown !== 'object' || thrown === null) return false;
  const facts = thrown as Partial<Record<keyof ErrorFacts, unknown>>;
  return typeof facts.code === 'string' && typeof facts.message === 'string' && typeof facts.retryable === 'boolean';
}

function describeCause(cause: unknown): string {
  return cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
}
