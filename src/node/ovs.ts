// SPDX-License-Identifier: Apache-2.0

import { type InterfaceRow, VSWITCH } from "../ovsdb/generated/vswitch.ts";
import { insert, type Mutation, mutate, type Operation, update } from "../ovsdb/operation.ts";
import { type Driver, type DriverOutcome, driver, type Step } from "./driver.ts";
import { BRIDGE_OWNER, NODE_OWNER, OVS_OWNER_KEY, type Owner } from "./marks.ts";
import type { NodeState, OvsBridgeState, OvsPortState, OvsState } from "./state.ts";

type Ids = Readonly<Record<string, string>>;

/** The columns of the root row that are read. */
export interface OvsRoot {
  readonly _uuid: string;
  readonly external_ids: Ids;
}

/** The columns of `Bridge` that are read. */
export interface OvsBridge {
  readonly _uuid: string;
  readonly name: string;
  readonly datapath_type: string;
  readonly ports: readonly string[];
}

/** The columns of `Interface` that are read. */
export interface OvsInterface {
  readonly _uuid: string;
  readonly name: string;
  readonly type: string;
  readonly mac?: string | undefined;
  readonly mtu_request?: number | undefined;
  readonly external_ids: Ids;
}

/** The local Open vSwitch database, as the driver uses it: a mirror, and transactions. */
export interface OvsTables {
  root(): OvsRoot | undefined;
  bridges(): Iterable<OvsBridge>;
  interfaces(): Iterable<OvsInterface>;
  interfaceNamed(name: string): OvsInterface | undefined;
  /** The uuid of the port that an interface is in. */
  portOf(interfaceUuid: string): string | undefined;
  transact(operations: readonly Operation[]): Promise<unknown>;
}

type OvsStep = Step & { readonly operations: readonly Operation[] };

/**
 * Rows of the local Open vSwitch database. They are identified by name, which is unique there, and not by a chosen
 * `_uuid` as in the northbound database: ovs-vswitchd, ovn-controller and `start-ovs` write the same rows, so only
 * Weft's columns and keys of each row are compared and set.
 */
export function ovsDriver(tables: OvsTables, uuid: () => string, { port }: Owner = NODE_OWNER): Driver {
  return driver<OvsTables, OvsStep>({
    kind: "ovs",
    list: ({ ovs }) => (ovs === undefined || tables.root() === undefined ? undefined : tables),
    diff: (found, { ovs = {} }: NodeState) => ({
      remove: removals(found, ovs, port),
      set: settings(found, ovs, uuid, port),
    }),
    async apply({ operations }): Promise<DriverOutcome> {
      await tables.transact(operations);
      return "done";
    },
  });
}

function settings(
  tables: OvsTables,
  { settings: wanted = {}, bridges = [], ports = [] }: OvsState,
  uuid: () => string,
  owner: string,
): readonly OvsStep[] {
  return [
    ...settingSteps(tables, wanted),
    ...bridges.flatMap((bridge) => bridgeSteps(tables, bridge, uuid)),
    ...ports.flatMap((port) => portSteps(tables, port, uuid, owner)),
  ];
}

/** One transaction, so that ovn-controller never reads half of a change. */
function settingSteps(tables: OvsTables, wanted: Ids): readonly OvsStep[] {
  const root = tables.root();
  const wrong = root && wrongKeys(root.external_ids, wanted);
  if (root === undefined || wrong === undefined) return [];
  const keys = Object.keys(wrong);
  const operations = [
    mutate(VSWITCH, "Open_vSwitch", root._uuid, [
      ["external_ids", "delete", keys],
      ["external_ids", "insert", wrong],
    ]),
  ];
  return [{ operations, what: keys.map((key) => `settings external_ids:${key} of Open_vSwitch`) }];
}

function bridgeNamed(tables: OvsTables, name: string): OvsBridge | undefined {
  for (const bridge of tables.bridges()) if (bridge.name === name) return bridge;
  return undefined;
}

/**
 * A bridge is marked at the interface of its own name: its own `external_ids` belong to ovn-controller, which changes
 * them with each pod, and are not read.
 */
function isOurBridge(tables: OvsTables, { name }: OvsBridge): boolean {
  return tables.interfaceNamed(name)?.external_ids[OVS_OWNER_KEY] === BRIDGE_OWNER;
}

function bridgeSteps(tables: OvsTables, want: OvsBridgeState, uuid: () => string): readonly OvsStep[] {
  const [root, has] = [tables.root(), bridgeNamed(tables, want.name)];
  if (root === undefined) return [];
  const what = `bridge ${want.name} of Open vSwitch`;
  if (has === undefined) {
    const [bridge, port, face] = [uuid(), uuid(), uuid()];
    const { name, datapathType, externalIds } = want;
    const operations = [
      // A bridge has a device of its own name (ovs-vswitchd.conf.db(5), "local port").
      insert(VSWITCH, "Interface", face, { name, type: "internal", external_ids: { [OVS_OWNER_KEY]: BRIDGE_OWNER } }),
      insert(VSWITCH, "Port", port, { name, interfaces: [face] }),
      insert(VSWITCH, "Bridge", bridge, {
        name,
        datapath_type: datapathType,
        external_ids: externalIds,
        ports: [port],
      }),
      mutate(VSWITCH, "Open_vSwitch", root._uuid, [["bridges", "insert", [bridge]]]),
    ];
    return [{ operations, what }];
  }
  // A bridge that another program has created stays unchanged.
  if (!isOurBridge(tables, has) || has.datapath_type === want.datapathType) return [];
  return [{ operations: [update(VSWITCH, "Bridge", has._uuid, { datapath_type: want.datapathType })], what }];
}

/**
 * The MAC and the MTU are set here and not only on the device: ovs-vswitchd creates the device, and would reset them.
 * An existing port of that name is Weft's: all names of the drivers' ports are.
 */
function portSteps(tables: OvsTables, want: OvsPortState, uuid: () => string, owner: string): readonly OvsStep[] {
  const [bridge, has] = [bridgeNamed(tables, want.bridge), tables.interfaceNamed(want.name)];
  if (bridge === undefined) return [];
  const what = `port ${want.name} of Open vSwitch`;
  const columns = { type: "internal", mac: want.mac, mtu_request: want.mtu };
  const externalIds = { ...want.externalIds, [OVS_OWNER_KEY]: owner };
  if (has === undefined) {
    const [port, face] = [uuid(), uuid()];
    const operations = [
      insert(VSWITCH, "Interface", face, { ...columns, name: want.name, external_ids: externalIds }),
      insert(VSWITCH, "Port", port, { name: want.name, interfaces: [face] }),
      mutate(VSWITCH, "Bridge", bridge._uuid, [["ports", "insert", [port]]]),
    ];
    return [{ operations, what }];
  }
  const operations: Operation[] = [];
  if (has.type !== columns.type || has.mac !== columns.mac || has.mtu_request !== columns.mtu_request)
    operations.push(update(VSWITCH, "Interface", has._uuid, columns));
  const wrong = wrongKeys(has.external_ids, externalIds);
  if (wrong !== undefined) {
    const mutations: Mutation<InterfaceRow>[] = [
      ["external_ids", "delete", Object.keys(wrong)],
      ["external_ids", "insert", wrong],
    ];
    operations.push(mutate(VSWITCH, "Interface", has._uuid, mutations));
  }
  return operations.length === 0 ? [] : [{ operations, what }];
}

/** The keys that differ, with the wanted values; undefined if none does. */
function wrongKeys(has: Ids, want: Ids): Ids | undefined {
  const wrong = Object.entries(want).filter(([key, value]) => has[key] !== value);
  return wrong.length === 0 ? undefined : Object.fromEntries(wrong);
}

/** Marked rows that are not wanted. Removed from its bridge, a port is deleted from the database (RFC 7047 §3.2). */
function removals(tables: OvsTables, { bridges, ports }: OvsState, owner: string): readonly OvsStep[] {
  const steps: OvsStep[] = [];
  if (ports !== undefined) {
    const wanted = new Set(ports.map(({ name }) => name));
    for (const face of tables.interfaces()) {
      const port =
        face.external_ids[OVS_OWNER_KEY] === owner && !wanted.has(face.name) ? tables.portOf(face._uuid) : undefined;
      const holder =
        port === undefined ? undefined : [...tables.bridges()].find((bridge) => bridge.ports.includes(port));
      if (port === undefined || holder === undefined) continue;
      const operations = [mutate(VSWITCH, "Bridge", holder._uuid, [["ports", "delete", [port]]])];
      steps.push({ operations, what: `port ${face.name} of Open vSwitch (no longer wanted)` });
    }
  }
  const root = tables.root();
  if (bridges !== undefined && root !== undefined) {
    const wanted = new Set(bridges.map(({ name }) => name));
    for (const bridge of tables.bridges()) {
      if (!isOurBridge(tables, bridge) || wanted.has(bridge.name)) continue;
      const operations = [mutate(VSWITCH, "Open_vSwitch", root._uuid, [["bridges", "delete", [bridge._uuid]]])];
      steps.push({ operations, what: `bridge ${bridge.name} of Open vSwitch (no longer wanted)` });
    }
  }
  return steps;
}
