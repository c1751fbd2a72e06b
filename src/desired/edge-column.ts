// SPDX-License-Identifier: Apache-2.0

/** A set-valued column that edges feed. */
export interface EdgeColumn {
  readonly column: string;
  /**
   * True if every member in a row of ours is ours (the ports of a port group, the addresses of an address set). False if others may add members (an
   * administrator's port on a switch): then only rows with an owner are removed.
   */
  readonly exclusive: boolean;
}
