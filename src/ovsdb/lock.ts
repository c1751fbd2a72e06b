// SPDX-License-Identifier: Apache-2.0

/**
 * - `waiting`: asked for (or about to be, when connected), somebody else may have it.
 * - `held`: ours, as far as the server has told.
 * - `lost`: it was held; then it was stolen or the connection broke. It is asked for again by itself and may become `held` once more.
 * - `released`: given back by `release()`; final.
 */
export type LockState = "waiting" | "held" | "lost" | "released";

/**
 * An advisory lock of the server, RFC 7047 §4.1.8. It belongs to the connection: when that breaks, the server gives the lock to the
 * next in line, so that no client waits for a dead holder. A lock is kept by one server, not by its raft cluster: it elects one leader only
 * where all who compete are `leaderOnly` clients.
 */
export interface Lock {
  readonly name: string;
  readonly state: LockState;
  /** Called after each change of state; returns what ends it. */
  onChange(listener: (state: LockState) => void): () => void;
  /** Resolves when the lock is or becomes held. Rejects OvsdbError `abandoned` by the signal, `closed` by release or close. */
  whenHeld(signal?: AbortSignal): Promise<void>;
  /** Gives the lock back, or stops waiting for it. Resolves when the server has agreed or the connection is gone. */
  release(): Promise<void>;
}
