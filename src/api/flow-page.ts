// SPDX-License-Identifier: Apache-2.0

import { isObject } from "../collections/plain.ts";
import type { SampledFlow } from "./sampling.ts";

/** Flows of one node, as its daemon answers. */
export interface FlowPage {
  /** Whether the node collects samples. */
  readonly enabled: boolean;
  /** The sequence number of the newest flow; a client requests those after it. */
  readonly sequence: number;
  /** Flows of the last hour that the daemon has not kept, because there are too many. */
  readonly dropped: number;
  /** Flows that were left out of this page, because they are more than were asked for; the oldest ones. */
  readonly skipped: number;
  /** Oldest first. */
  readonly flows: readonly SampledFlow[];
}

/** The path at which daemons serve {@link FlowPage}s to the controller, one a line, as flows change. Parameters: `since`, a sequence number, and `most`, of flows in a page. */
export const FLOWS_PATH = "/flows";

/** A page from another process. Throws a `TypeError` that says what is malformed. */
export function readFlowPage(value: unknown): FlowPage {
  if (!isObject(value) || !Array.isArray(value["flows"])) throw new TypeError("its answer is not a list of flows");
  const flows = value["flows"].map(flowOf);
  return {
    enabled: value["enabled"] === true,
    sequence: numberOf(value, "sequence", "its answer has no"),
    // A daemon of an older version does not send these.
    dropped: Number(value["dropped"] ?? 0),
    skipped: Number(value["skipped"] ?? 0),
    flows,
  };
}

function flowOf(value: unknown): SampledFlow {
  if (!isObject(value)) throw new TypeError("its answer has a malformed flow");
  const number = (name: string): number => numberOf(value, name, "its answer has a flow without");
  const flow = {
    ...{ sequence: number("sequence"), point: number("point"), protocol: number("protocol"), port: number("port") },
    ...{ first: number("first"), last: number("last"), packets: number("packets") },
  };
  const { from, to } = value;
  if (typeof from !== "string" || typeof to !== "string") throw new TypeError("its answer has a flow without its ends");
  return { ...flow, from, to };
}

function numberOf(value: Readonly<Record<string, unknown>>, name: string, problem: string): number {
  const item = value[name];
  if (typeof item !== "number" || !Number.isFinite(item)) throw new TypeError(`${problem} ${name}`);
  return item;
}
