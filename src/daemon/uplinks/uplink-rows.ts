// SPDX-License-Identifier: Apache-2.0

import { VENDOR } from "../../api/names.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { insert, mutate, type Operation, update } from "../../ovsdb/operation.ts";
import type { BridgeView, InterfaceView, OvsView } from "../ovs/ovs-view.ts";
import { isExchanged, type UplinkKey } from "./uplink-names.ts";
import type { UplinkBridge, UplinkPort } from "./uplink-plan.ts";
import { RECORD_KEY, readRecord, type UplinkRecord, writeRecord } from "./uplink-record.ts";

/** Key of `external_ids` of the bridges that Kube-OVN makes for networks outside (`pkg/daemon/ovs.go`, `configExternalBridge`). */
const KUBE_OVN_KEY = "exchange-link-name";
/** ovn-controller(8): which bridge leads to which network, and the MAC by which this node's chassis sends there for distributed routers. */
const MAPPINGS = "ovn-bridge-mappings";
const MAC_MAPPINGS = "ovn-chassis-mac-mappings";

/** The bridges to networks outside, by their names. */
export function uplinkBridges(view: OvsView): readonly UplinkBridge[] {
  return [...view.bridges()].flatMap((row) => {
    if (!isUplinkBridge(row)) return [];
    const record = readRecord(row.external_ids[RECORD_KEY]);
    return [{ uuid: row._uuid, name: row.name, ...(record && { record }) }];
  });
}

/** Whether the row is a bridge to a network outside that Weft or Kube-OVN created. */
export function isUplinkBridge({ external_ids: ids }: Pick<BridgeView, "external_ids">): boolean {
  return ids[RECORD_KEY] !== undefined || (ids["vendor"] === VENDOR && ids[KUBE_OVN_KEY] !== undefined);
}

/** The port with the name of an interface. */
export function portNamed(view: OvsView, name: string): UplinkPort | undefined {
  const row = view.interfaceNamed(name);
  const uuid = row === undefined ? undefined : view.portOf(row._uuid);
  const bridge = uuid === undefined ? undefined : [...view.bridges()].find(({ ports }) => ports.includes(uuid));
  if (row === undefined || uuid === undefined || bridge === undefined) return undefined;
  return { bridge: bridge.name, bridgeUuid: bridge._uuid, uuid, isOpen: isOpen(row), error: row.error ?? "" };
}

/** ovs-vswitchd.conf.db(5), `ofport`: -1 if it could not be opened. */
function isOpen({ ofport, error }: InterfaceView): boolean {
  return ofport !== undefined && ofport > 0 && (error ?? "") === "";
}

/** The bridge of a network in `ovn-bridge-mappings`. */
export function mappingOf(view: OvsView, network: string): string | undefined {
  return entries(view.root()?.external_ids[MAPPINGS]).get(network);
}

/** The operations that create the bridge. Its device has the MAC and the MTU of the interface. */
export function makeBridge(
  view: OvsView,
  key: UplinkKey,
  isUserspace: boolean,
  record: UplinkRecord,
  uuid: () => string,
): readonly Operation[] {
  const [bridge, port, face] = [uuid(), uuid(), uuid()];
  const name = key.bridge;
  return [
    insert(VSWITCH, "Interface", face, { name, type: "internal", mtu_request: record.mtu }),
    insert(VSWITCH, "Port", port, { name, interfaces: [face] }),
    insert(VSWITCH, "Bridge", bridge, {
      name,
      datapath_type: isUserspace ? "netdev" : "system",
      other_config: { hwaddr: record.mac },
      external_ids: { vendor: VENDOR, [KUBE_OVN_KEY]: String(isExchanged(key)), [RECORD_KEY]: writeRecord(record) },
      ports: [port],
    }),
    mutate(VSWITCH, "Open_vSwitch", view.root()?._uuid ?? "", [["bridges", "insert", [bridge]]]),
  ];
}

/** The operations that write the record, with the MAC and MTU for the bridge's device. */
export function writeRecordRow({ uuid, name, record: old }: UplinkBridge, record: UplinkRecord): readonly Operation[] {
  const replace = (column: "external_ids" | "other_config", key: string, value: string) =>
    [
      [column, "delete", [key]],
      [column, "insert", { [key]: value }],
    ] as const;
  const isSame = old?.mac === record.mac && old.mtu === record.mtu;
  return [
    mutate(VSWITCH, "Bridge", uuid, [
      ...replace("external_ids", RECORD_KEY, writeRecord(record)),
      ...(isSame ? [] : replace("other_config", "hwaddr", record.mac)),
    ]),
    ...(isSame ? [] : [update(VSWITCH, "Interface", [["name", "==", name]], { mtu_request: record.mtu })]),
  ];
}

/** The operations that make the interface a port of the bridge. */
export function attachPort({ uuid: bridge }: UplinkBridge, name: string, uuid: () => string): readonly Operation[] {
  const [port, face] = [uuid(), uuid()];
  return [
    insert(VSWITCH, "Interface", face, { name }),
    insert(VSWITCH, "Port", port, { name, interfaces: [face], external_ids: { vendor: VENDOR } }),
    mutate(VSWITCH, "Bridge", bridge, [["ports", "insert", [port]]]),
  ];
}

/** The operations that remove that port. */
export function detachPort({ bridgeUuid, uuid }: UplinkPort): readonly Operation[] {
  return [mutate(VSWITCH, "Bridge", bridgeUuid, [["ports", "delete", [uuid]]])];
}

/** The operations that delete the bridge. */
export function deleteBridge(view: OvsView, { uuid }: UplinkBridge): readonly Operation[] {
  return [mutate(VSWITCH, "Open_vSwitch", view.root()?._uuid ?? "", [["bridges", "delete", [uuid]]])];
}

/** The entries from which ovn-controller learns the bridge of the network; `undefined`: none. Other networks' entries stay. */
export function mapNetwork(
  view: OvsView,
  network: string,
  bridge: string | undefined,
  mac: string,
): readonly Operation[] {
  const root = view.root();
  const bridges = entries(root?.external_ids[MAPPINGS]);
  const macs = entries(root?.external_ids[MAC_MAPPINGS]);
  if (bridge === undefined) {
    bridges.delete(network);
    macs.delete(network);
  } else {
    bridges.set(network, bridge);
    if (!macs.has(network)) macs.set(network, mac);
  }
  const [bridgeText, macText] = [text(bridges), text(macs)];
  return [
    mutate(VSWITCH, "Open_vSwitch", root?._uuid ?? "", [
      ["external_ids", "delete", [MAPPINGS, MAC_MAPPINGS]],
      [
        "external_ids",
        "insert",
        { ...(bridgeText !== "" && { [MAPPINGS]: bridgeText }), ...(macText !== "" && { [MAC_MAPPINGS]: macText }) },
      ],
    ]),
  ];
}

/** `<network>:<value>,…`; a MAC has colons too. */
function entries(list = ""): Map<string, string> {
  return new Map(
    list.split(",").flatMap((entry): (readonly [string, string])[] => {
      const at = entry.indexOf(":");
      return at < 1 ? [] : [[entry.slice(0, at).trim(), entry.slice(at + 1).trim()]];
    }),
  );
}

function text(map: ReadonlyMap<string, string>): string {
  return [...map].map(([network, value]) => `${network}:${value}`).join(",");
}
