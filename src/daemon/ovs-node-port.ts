import { NODE_INTERFACE, VENDOR } from "../api/names.ts";
import { nodePortName } from "../api/port-names.ts";
import { type InterfaceRow, VSWITCH } from "../ovsdb/generated/vswitch.ts";
import { insert, type Mutation, mutate, type Operation, update } from "../ovsdb/operation.ts";

import type { GatewayPlan } from "./gateway-plan.ts";
import type { InterfaceView, OvsView } from "./ovs-view.ts";
import { EXTERNAL_ID } from "./ports.ts";

/** What `ovn0` is to be in the database. */
export interface NodePort {
  readonly externalIds: Readonly<Record<string, string>>;
  readonly mac: string;
  readonly mtu: number;
}

/** The node's port for a plan. Pure. */
export function nodePort(node: string, plan: GatewayPlan): NodePort {
  return {
    externalIds: {
      [EXTERNAL_ID.ifaceId]: nodePortName(node),
      [EXTERNAL_ID.vendor]: VENDOR,
      [EXTERNAL_ID.ip]: plan.addresses.map(({ ip }) => ip.text).join(","),
    },
    mac: plan.mac,
    mtu: plan.mtu,
  };
}

/**
 * The transaction that makes `ovn0` what it is to be; empty where it is. Pure but for the uuids that it is given.
 *
 * The MAC and the MTU are set here and not only on the device: ovs-vswitchd makes the device, and would set it back.
 */
export function nodePortOperations(
  bridge: string,
  has: InterfaceView | undefined,
  want: NodePort,
  uuids: { readonly port: string; readonly interface: string },
): readonly Operation[] {
  const columns = { type: "internal", mac: want.mac, mtu_request: want.mtu };
  if (has === undefined) {
    const row = { ...columns, name: NODE_INTERFACE, external_ids: want.externalIds };
    return [
      insert(VSWITCH, "Interface", uuids.interface, row),
      insert(VSWITCH, "Port", uuids.port, { name: NODE_INTERFACE, interfaces: [uuids.interface] }),
      mutate(VSWITCH, "Bridge", bridge, [["ports", "insert", [uuids.port]]]),
    ];
  }
  const operations: Operation[] = [];
  if (has.type !== columns.type || has.mac !== columns.mac || has.mtu_request !== columns.mtu_request) {
    operations.push(update(VSWITCH, "Interface", has._uuid, columns));
  }
  const wrong = Object.entries(want.externalIds).filter(([key, value]) => has.external_ids[key] !== value);
  if (wrong.length > 0) {
    // Only these keys: the others are ovn-controller's.
    const mutations: Mutation<InterfaceRow>[] = [
      ["external_ids", "delete", wrong.map(([key]) => key)],
      ["external_ids", "insert", Object.fromEntries(wrong)],
    ];
    operations.push(mutate(VSWITCH, "Interface", has._uuid, mutations));
  }
  return operations;
}

/** Makes `ovn0` what it is to be. Returns whether something had to be done. */
export async function ensureNodePort(
  view: OvsView,
  want: NodePort,
  uuids: { readonly port: string; readonly interface: string },
): Promise<boolean> {
  const bridge = view.bridge();
  if (bridge === undefined) return false;
  const operations = nodePortOperations(bridge._uuid, view.interfaceNamed(NODE_INTERFACE), want, uuids);
  if (operations.length === 0) return false;
  await view.client.transact(VSWITCH.name, operations);
  return true;
}
