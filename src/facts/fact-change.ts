// SPDX-License-Identifier: Apache-2.0

import type { Dependency } from "./dependency.ts";
import type { FactKind, FactTypes } from "./types.ts";

/**
 * A change of one fact, with the dependencies it touches (see `dependency`). `old` or `new` is absent if the fact was added or removed; both are
 * absent for an object that could not be read (see `FactStore.setUnread`).
 */
export interface FactChange<K extends FactKind = FactKind> {
  readonly kind: K;
  readonly key: string;
  readonly old?: FactTypes[K];
  readonly new?: FactTypes[K];
  readonly touched: readonly Dependency[];
}
