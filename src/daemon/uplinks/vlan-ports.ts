// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { VENDOR } from "../../api/names.ts";
import { samePlain } from "../../collections/plain.ts";
import { ALL_VLANS, vlanInterface } from "../../contract/uplinks.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { insert, mutate, type Operation } from "../../ovsdb/operation.ts";
import type { OvsView } from "../ovs/ovs-view.ts";
import { givenName, type UplinkKey } from "./uplink-names.ts";
import { applyDeviceStep, keptLinks, observeDevice, rpFilterKey, type UplinkParts } from "./uplink-node.ts";
import type { Problem } from "./uplink-plan.ts";
import { RECORD_KEY, readRecord, type UplinkRecord, writeRecord } from "./uplink-record.ts";
import { uplinkBridges } from "./uplink-rows.ts";
import { type ObservedVlan, planVlan, type VlanPort, type VlanStep } from "./vlan-port-plan.ts";

/** The maximum length of an interface's name (IFNAMSIZ in linux/if.h, without the end). */
const MOST_NAME = 15;
/** The maximum number of steps for one sub-interface. */
const MOST_STEPS = 1_000;

/** The result for all VLAN sub-interfaces of an uplink. */
export interface VlanRun {
  readonly steps: readonly string[];
  /** What is left to do waits for an event. */
  readonly wait?: string;
  readonly problem?: Problem;
  /** Ports have taken the place of sub-interfaces. */
  readonly isAny: boolean;
}

/** The name of the port for a VLAN id, as in Kube-OVN (`VlanInternalPortName` in `pkg/util/vlan_interfaces.go`); another one if that would be too long. */
export function vlanPortName(bridge: string, id: number): string {
  const name = `${bridge}-vlan${id}`;
  if (name.length <= MOST_NAME) return name;
  const prefix = `kv${id}-`;
  const digest = createHash("sha256").update(bridge).digest("hex");
  return `${prefix}${digest.slice(0, MOST_NAME - prefix.length)}`;
}

/** Whether a name may be one of {@link vlanPortName}. */
export function isVlanPortName(name: string): boolean {
  return /-vlan\d{1,4}$|^kv\d{1,4}-/.test(name);
}

/**
 * Replaces the VLAN sub-interfaces of an uplink's interface by ports of its bridge, and restores those that are not in `kept` (undefined: those that are replaced stay so). Nothing is done without the bridge.
 * Rejects with the error of a step. @param before called before each step.
 */
export async function runVlans(
  parts: UplinkParts,
  key: UplinkKey,
  kept: readonly string[] | undefined,
  before: (step: string) => void = () => undefined,
): Promise<VlanRun> {
  const { view, kernel } = parts;
  const bridge = uplinkBridges(view).find(({ name }) => name === key.bridge);
  if (bridge === undefined) return { steps: [], isAny: false };
  const nic = kernel.link(key.interface);
  const wanted = new Set(
    nic === undefined ? [] : keptLinks(kernel, givenName(key), nic, kept ?? []).map(({ name }) => name),
  );
  const steps: string[] = [];
  const found: { wait?: string; problem?: Problem; isAny: boolean } = { isAny: false };
  const names = new Set([...wanted, ...vlanPorts(view, bridge.name).map(({ name }) => name)]);
  for (const name of [...names].sort()) {
    const isOfAll = kept?.includes(ALL_VLANS) === true && vlanInterface(name)?.parent === givenName(key);
    const run = await runVlan(parts, key, name, kept === undefined || kept.includes(name) || isOfAll, before);
    steps.push(...run.steps);
    const { outcome } = run;
    if ("wait" in outcome) found.wait ??= outcome.wait;
    else if ("problem" in outcome) found.problem ??= outcome.problem;
    else found.isAny ||= outcome.done.isKept;
  }
  return { steps, ...found };
}

async function runVlan(
  parts: UplinkParts,
  key: UplinkKey,
  name: string,
  isWanted: boolean,
  before: (step: string) => void,
) {
  const steps: string[] = [];
  let last: VlanStep | undefined;
  while (steps.length < MOST_STEPS) {
    const observed = observeVlan(parts, key, name);
    const outcome = planVlan(observed, isWanted);
    if (!("step" in outcome)) return { outcome, steps };
    const { step } = outcome;
    if (!parts.view.synced && /port|record/.test(step.do))
      return { outcome: { wait: "Open vSwitch's database is not connected" }, steps };
    if (samePlain(step, last)) throw new Error(`${step.do} of ${name} had no effect`);
    last = step;
    const text = describe(name, step);
    before(text);
    await applyVlanStep(parts, key, observed, step);
    steps.push(text);
  }
  throw new Error(`more than ${MOST_STEPS} steps for ${name}`);
}

/** A step as text, for logs. */
function describe(name: string, step: VlanStep): string {
  switch (step.do) {
    case "make-port":
      return `port for ${name}`;
    case "delete-port":
      return `port for ${name} (no longer wanted)`;
    case "create-link":
      return `VLAN interface ${name} on ${step.link.name}`;
    case "delete-link":
      return `VLAN interface ${name} (a port has its place)`;
    case "record":
      return `record ${step.record.holder === 0 ? `what ${name} has` : `which device has what ${name} had`}`;
    case "address":
    case "delete-address":
      return `${name}: ${step.do} ${step.address.address} on ${step.link.name}`;
    case "route":
    case "delete-route":
      return `${name}: ${step.do} ${step.route.destination} by ${step.link.name}`;
    default:
      return `${name}: ${step.do} on ${step.link.name}`;
  }
}

function observeVlan({ view, kernel, boot }: UplinkParts, key: UplinkKey, name: string): ObservedVlan {
  const isUserspace = view.bridge()?.datapath_type === "netdev";
  const id = vlanInterface(name)?.id ?? 0;
  const portName = vlanPortName(key.bridge, id);
  const port = vlanPorts(view, key.bridge).find((one) => one.name === name);
  const link = kernel.link(name);
  const parent = kernel.link(key.interface);
  const named = kernel.link(portName);
  const vlan = link?.name === name && link.kind === "vlan" && link.peer === parent?.index ? link : undefined;
  return {
    ...{ boot, isUserspace, name, id, network: key.network, parent, port },
    filter: kernel.sysctl(rpFilterKey("all")) ?? "0",
    vlan: observeDevice(kernel, vlan, isUserspace),
    device: port && observeDevice(kernel, named, isUserspace),
    occupant: port === undefined && (named !== undefined || view.interfaceNamed(portName)) ? portName : undefined,
  };
}

/** The ports of a bridge that have taken the place of VLAN sub-interfaces, with the names of these. */
function vlanPorts(view: OvsView, bridgeName: string): readonly (VlanPort & { readonly name: string })[] {
  const bridge = [...view.bridges()].find(({ name }) => name === bridgeName);
  return (bridge?.ports ?? []).flatMap((uuid) => {
    const port = view.port(uuid);
    const record = readRecord(port?.external_ids[RECORD_KEY]);
    if (port === undefined || record === undefined) return [];
    return [{ uuid, name: record.interface, record, error: view.interfaceNamed(port.name)?.error ?? "" }];
  });
}

async function applyVlanStep(parts: UplinkParts, key: UplinkKey, observed: ObservedVlan, step: VlanStep) {
  const { view, kernel } = parts;
  const { name, id, port } = observed;
  const bridge = uplinkBridges(view).find((one) => one.name === key.bridge);
  switch (step.do) {
    case "make-port":
      return void (
        bridge &&
        (await view.transact(makePort(bridge.uuid, vlanPortName(key.bridge, id), id, step.record, () => parts.uuid())))
      );
    case "record":
      return void (port && (await view.transact(writePortRecord(port.uuid, step.record))));
    case "delete-port":
      return void (
        bridge &&
        port &&
        (await view.transact([mutate(VSWITCH, "Bridge", bridge.uuid, [["ports", "delete", [port.uuid]]])]))
      );
    case "create-link": {
      const { mac, mtu } = step.record;
      return kernel.createLink({ name, kind: "vlan", parent: step.link.index, vlan: id, mac, mtu, up: true });
    }
    case "delete-link":
      return void kernel.deleteLink(step.link.index);
    default:
      return applyDeviceStep(kernel, step);
  }
}

/** An internal port with the id as its tag: an access port (ovs-vswitchd.conf.db(5), Port `tag`). */
function makePort(
  bridge: string,
  name: string,
  tag: number,
  record: UplinkRecord,
  uuid: () => string,
): readonly Operation[] {
  const [port, face] = [uuid(), uuid()];
  return [
    insert(VSWITCH, "Interface", face, { name, type: "internal", mac: record.mac, mtu_request: record.mtu }),
    insert(VSWITCH, "Port", port, {
      ...{ name, tag, interfaces: [face] },
      external_ids: { vendor: VENDOR, [RECORD_KEY]: writeRecord(record) },
    }),
    mutate(VSWITCH, "Bridge", bridge, [["ports", "insert", [port]]]),
  ];
}

function writePortRecord(port: string, record: UplinkRecord): readonly Operation[] {
  return [
    mutate(VSWITCH, "Port", port, [
      ["external_ids", "delete", [RECORD_KEY]],
      ["external_ids", "insert", { [RECORD_KEY]: writeRecord(record) }],
    ]),
  ];
}
