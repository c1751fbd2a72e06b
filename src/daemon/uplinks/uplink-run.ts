// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../../collections/plain.ts";
import { givenName, type UplinkKey } from "./uplink-names.ts";
import { applyUplinkStep, hiddenLinks, observeUplink, type UplinkParts } from "./uplink-node.ts";
import { planUplink, type UplinkOutcome, type UplinkStep, type WantedUplink } from "./uplink-plan.ts";
import { runVlans } from "./vlan-ports.ts";

/** The maximum number of steps of a run. */
const MOST_STEPS = 2_000;

/** The result of a run. */
export interface UplinkRun {
  readonly outcome: Exclude<UplinkOutcome, { readonly step: unknown }>;
  /** The applied steps, as text. */
  readonly steps: readonly string[];
}

/** The steps that need Open vSwitch's database. */
const ROWS: ReadonlySet<UplinkStep["do"]> = new Set([
  "make-bridge",
  "record",
  "attach",
  "detach",
  "map",
  "unmap",
  "delete-bridge",
]);

/**
 * Applies steps to an uplink until the next one depends on an event or none is left. Rejects with the error of a step.
 * @param before called before each step.
 */
export async function runUplink(
  parts: UplinkParts,
  key: UplinkKey,
  wanted: WantedUplink | undefined,
  before: (step: UplinkStep) => void = () => undefined,
): Promise<UplinkRun> {
  const steps: string[] = [];
  let last: UplinkStep | undefined;
  // Listing the rules starts a process, which takes too long between the port and the routes.
  let hidden = await hiddenLinks(parts);
  while (steps.length < MOST_STEPS) {
    const observed = observeUplink(parts, key, hidden, wanted?.keptVlans);
    const outcome = planUplink(observed, wanted);
    if (!("step" in outcome)) return { outcome, steps };
    const { step } = outcome;
    if (!parts.view.synced && ROWS.has(step.do))
      return { outcome: { wait: "Open vSwitch's database is not connected" }, steps };
    if (samePlain(step, last)) throw new Error(`${describeStep(key, step)} had no effect`);
    last = step;
    before(step);
    await applyUplinkStep(parts, key, observed, step);
    steps.push(describeStep(key, step));
    if (step.do === "hide" || step.do === "show") hidden = await hiddenLinks(parts);
  }
  throw new Error(`more than ${MOST_STEPS} steps`);
}

/**
 * As {@link runUplink}, with the VLAN sub-interfaces of the interface: ports replace them after the interface has become a port of the bridge, and they are restored before it is none.
 * @param before called before each step, with its text.
 */
export async function runWithVlans(
  parts: UplinkParts,
  key: UplinkKey,
  wanted: WantedUplink | undefined,
  before: (step: string) => void = () => undefined,
): Promise<UplinkRun> {
  const vlans = (kept: readonly string[] | undefined) => runVlans(parts, key, kept, before);
  const uplink = () => runUplink(parts, key, wanted, (step) => before(describeStep(key, step)));
  if (wanted === undefined) {
    const { steps, wait } = await vlans([]);
    if (wait !== undefined) return { outcome: { wait }, steps };
    const run = await uplink();
    return { ...run, steps: [...steps, ...run.steps] };
  }
  const run = await uplink();
  if (!("done" in run.outcome)) return run;
  const { wait, problem, isAny, ...more } = await vlans(wanted.keptVlans);
  const steps = [...run.steps, ...more.steps];
  if (problem !== undefined) return { outcome: { problem }, steps };
  if (wait !== undefined) return { outcome: { wait }, steps };
  return { outcome: { done: { ...run.outcome.done, ...(isAny && { vlans: true as const }) } }, steps };
}

/** A step as text, for logs. */
export function describeStep({ interface: name, bridge, network }: UplinkKey, step: UplinkStep): string {
  switch (step.do) {
    case "make-bridge":
      return `bridge ${bridge}`;
    case "record":
      return step.record.holder === 0 ? `record what ${name} has` : `record which device has it`;
    case "attach":
      return `port ${name} of ${bridge}`;
    case "detach":
      return `port ${name} of ${bridge} (no longer wanted)`;
    case "delete-bridge":
      return `bridge ${bridge} (no longer wanted)`;
    case "map":
      return `mapping of network ${network} to ${bridge}`;
    case "unmap":
      return `mapping of network ${network} to ${bridge} (no longer wanted)`;
    case "hide":
      return `packets at ${name} are kept from the node's stack`;
    case "show":
      return `packets at ${name} reach the node's stack`;
    case "exchange":
      return `interface ${step.link.name} renamed to ${name}`;
    case "exchange-back":
      return `interface ${name} renamed to ${bridge} (no longer wanted)`;
    case "create-vlan":
      return `VLAN interface ${givenName({ interface: name, bridge, network })} on ${step.link.name}`;
    case "up":
      return `link ${step.link.name} up`;
    case "checksum":
      return `checksum ${step.link.name}`;
    case "filter":
      return `rp_filter ${step.value} of ${step.link.name}`;
    case "learn":
      return `neighbours on ${step.link.name}`;
    case "address":
      return `address ${step.address.address}/${step.address.prefix} on ${step.link.name}`;
    case "delete-address":
      return `address ${step.address.address}/${step.address.prefix} on ${step.link.name} (moved)`;
    case "route":
      return `route ${step.route.destination} by ${step.link.name}`;
    case "delete-route":
      return `route ${step.route.destination} by ${step.link.name} (moved)`;
    case "neighbour":
      return `neighbour ${step.neighbour.address} on ${step.link.name}`;
    case "delete-neighbour":
      return `neighbour ${step.neighbour.address} on ${step.link.name} (moved)`;
  }
}
