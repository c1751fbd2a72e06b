// SPDX-License-Identifier: Apache-2.0

import { ContractError, documentOf, type Fields, readDocument } from "./document.ts";

/** Where a controller shows its state, on the loopback address. */
export const STATE_PATH = "/debug/state";

/** How far the northbound database is behind the objects, and what others change in it, as a controller says. */
export interface ControllerState {
  readonly leading: boolean;
  /** Units (the rows of one object) that wait to be compiled. */
  readonly dirty: number;
  /** Those that wait to be committed. */
  readonly pending: number;
  /** Those that the database has refused, until the next attempt. */
  readonly refused: number;
  /** Writes to the API server that wait. */
  readonly pendingWrites: number;
  /** Operations, since the start, that restored what another client of the database had changed. */
  readonly repairs: number;
  /** Those of them for what another client changes again and again. */
  readonly contended: number;
  /** Orphaned rows that stay because a sweep would have deleted too many (`--allow-mass-delete`). */
  readonly heldBack: number;
}

/** A state as a document. */
export function controllerStateDocument(state: ControllerState): Fields {
  return documentOf({ ...state });
}

/** Reads the output of {@link controllerStateDocument} as JSON. @throws ContractError */
export function decodeControllerState(text: string): ControllerState {
  const { leading, ...fields } = readDocument(text);
  if (typeof leading !== "boolean") throw invalid("leading");
  const count = (name: string): number => {
    const value = fields[name];
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    throw invalid(name);
  };
  return {
    leading,
    ...{ dirty: count("dirty"), pending: count("pending"), refused: count("refused") },
    ...{ pendingWrites: count("pendingWrites"), repairs: count("repairs") },
    ...{ contended: count("contended"), heldBack: count("heldBack") },
  };
}

function invalid(field: string): ContractError {
  return new ContractError("invalid-field", `${field} is missing or has an invalid value`, { field });
}
