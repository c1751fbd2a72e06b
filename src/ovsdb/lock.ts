// SPDX-License-Identifier: Apache-2.0

/**
 * - `waiting`: requested (or to be requested, when connected); another client may hold it.
 * - `held`: held by this client, according to the server.
 * - `lost`: it was held; then it was stolen or the connection broke. It is requested again automatically and may
 *   become `held` again.
 * - `released`: by `release()`; final.
 */
export type LockState = "waiting" | "held" | "lost" | "released";

/**
 * An advisory lock of the server, RFC 7047 §4.1.8. It belongs to the connection: when that breaks, the server grants
 * the lock to the next client in its queue, so that no client waits for a dead holder. A lock is kept by one server,
 * not by its raft cluster: it elects one leader only if all candidates are `leaderOnly` clients.
 */
export interface Lock {
  readonly name: string;
  readonly state: LockState;
  /** Called after each change of state; returns the function that removes the listener. */
  onChange(listener: (state: LockState) => void): () => void;
  /** Resolves when the lock is or becomes held. Rejects OvsdbError `abandoned` by the signal, `closed` by release or close. */
  whenHeld(signal?: AbortSignal): Promise<void>;
  /** Releases the lock, or stops waiting for it. Resolves when the server has confirmed or the connection is lost. */
  release(): Promise<void>;
}
