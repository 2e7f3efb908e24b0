/**
 * Who asks: a function of the app, or `jwt` for tokens that an identity provider signs.
 * It finds identities and grants nothing; what an identity may do in a space is decided in Rust.
 */
import { EbbtideError } from '../errors.ts';
import { rust } from './module.ts';
import { misconfigured } from './replies.ts';

/** What a user may do in a space. */
export type Role = 'reader' | 'writer' | 'reviewer' | 'admin';

/** Who asks, and which spaces are open to them. */
export interface Identity {
  /** The user's id, 1 to 256 bytes. */
  readonly user: string;
  /** Role by name of space. A space that is not named here is closed. */
  readonly spaces: Readonly<Record<string, Role>>;
  /** When this must be asked again: milliseconds since the Unix epoch, or a Date. Open sockets are closed then. */
  readonly expiresAt: number | Date;
}

/** Finds the identity behind a request. Whatever it throws is answered with 401, unless it is an `EbbtideError` with another meaning. */
export type Authenticate<Env = unknown> = (request: Request, env: Env) => Identity | Promise<Identity>;

/** An authentication that may also sign tokens for local development. */
export interface TokenAuthentication extends Authenticate {
  /** The variable that holds the secret. */
  readonly secretName: string;
}

/** Where the keys of tokens come from. */
export type JwtOptions =
  | {
      /** The name of the secret in the Worker's environment, for HS256. Give it 32 random bytes or more. */
      readonly secret: string;
    }
  | {
      /** The address of a key set. */
      readonly jwks: string;
    };

/** Takes the bearer token of a request: `sub` is the user, `spaces` an object of roles, `exp` is required. */
export function jwt(options: JwtOptions): TokenAuthentication {
  if (!('secret' in options) || typeof options.secret !== 'string' || options.secret === '') {
    throw new EbbtideError('server_misconfigured', 'jwt() needs { secret: NAME_OF_A_VARIABLE }; key sets by address are not offered yet');
  }
  const { secret: secretName } = options;
  const authenticate = (request: Request, env: unknown): Identity => {
    const authorization = request.headers.get('Authorization') ?? undefined;
    return JSON.parse(rust().verifyToken(authorization, secretOf(env, secretName), Date.now())) as Identity;
  };
  return Object.assign(authenticate, { secretName });
}

/** The secret out of the environment. */
export function secretOf(env: unknown, name: string): string {
  const secret = (env as Record<string, unknown> | undefined)?.[name];
  if (typeof secret !== 'string' || secret === '') throw misconfigured(`the variable ${name} is not set`);
  return secret;
}

/** The identity as Rust reads it. */
export function identityJson({ user, spaces, expiresAt }: Identity): string {
  return JSON.stringify({ user, spaces, expiresAt: expiresAt instanceof Date ? expiresAt.getTime() : expiresAt });
}
