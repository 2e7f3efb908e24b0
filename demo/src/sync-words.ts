/**
 * The sync state in words: what the badge says, and how serious it is.
 * A pure function of the database's status. The badge and the panel call it.
 */

import type { SyncStatus } from 'ebbtide';
import type { IconName } from './icons.ts';

/** A state as the badge shows it. The words alone carry the meaning; tone and icon repeat it. */
export interface SyncWords {
  readonly tone: 'calm' | 'busy' | 'away' | 'trouble';
  readonly icon: IconName;
  /** A word or two. */
  readonly label: string;
  /** A sentence. */
  readonly explanation: string;
}

/** Describes a status. */
export function describe(status: SyncStatus): SyncWords {
  const waiting = status.pending;
  switch (status.state) {
    case 'idle': return waiting > 0 ? sending(waiting) : status.failed > 0 ? refused(status.failed) : inStep();
    case 'syncing': return waiting === 0 ? receiving() : sending(waiting);
    case 'connecting': return connecting(waiting);
    case 'paused': return away(waiting, 'You switched sync off.');
    case 'offline': return away(waiting, status.online ? 'The server does not answer.' : 'There is no network.');
    case 'local': return { tone: 'away', icon: 'offline', label: 'This device only', explanation: 'Sync is not set up.' };
    case 'error': return trouble(waiting, status.reason);
  }
}

/** "1 change", "2 changes". */
export function changes(count: number): string {
  return count === 1 ? '1 change' : `${count} changes`;
}

function inStep(): SyncWords {
  return { tone: 'calm', icon: 'check', label: 'In step', explanation: 'Everything here is also on the server.' };
}

function refused(count: number): SyncWords {
  const explanation = `The server refused ${changes(count)}. Everything else is in step.`;
  return { tone: 'trouble', icon: 'warning', label: `${count} refused`, explanation };
}

function receiving(): SyncWords {
  return { tone: 'busy', icon: 'syncing', label: 'Receiving', explanation: 'Changes of others are coming in.' };
}

function sending(waiting: number): SyncWords {
  return { tone: 'busy', icon: 'syncing', label: `Sending ${waiting}`, explanation: `${changes(waiting)} on the way to the server.` };
}

function connecting(waiting: number): SyncWords {
  const explanation = waiting === 0 ? 'Reaching for the server.' : `Reaching for the server. ${saved(waiting)}`;
  return { tone: 'busy', icon: 'syncing', label: waiting === 0 ? 'Connecting' : `Pending ${waiting}`, explanation };
}

function away(waiting: number, why: string): SyncWords {
  const label = waiting === 0 ? 'Offline' : `Offline, ${waiting} pending`;
  const explanation = waiting === 0 ? `${why} You can go on working.` : `${why} ${saved(waiting)}`;
  return { tone: 'away', icon: waiting === 0 ? 'offline' : 'waiting', label, explanation };
}

function trouble(waiting: number, reason: string | undefined): SyncWords {
  const rest = waiting === 0 ? '' : ` ${saved(waiting)}`;
  return { tone: 'trouble', icon: 'warning', label: waiting === 0 ? 'Not in step' : `Pending ${waiting}`, explanation: `${cause(reason)}${rest}` };
}

function cause(reason: string | undefined): string {
  switch (reason) {
    case 'signed_out': return 'The server does not know you any more: sign in again.';
    case 'waiting_for_server': return 'The server has yet to be brought up to this version.';
    case 'reload_needed': return 'This version is too old for the server: reload the page.';
    default: return `Sync has stopped${reason ? ` (${reason})` : ''}.`;
  }
}

function saved(waiting: number): string {
  return `${changes(waiting)} ${waiting === 1 ? 'is' : 'are'} kept here and will be sent later.`;
}
