// SPDX-License-Identifier: Apache-2.0

import { VENDOR } from "../../api/names.ts";
import type { OvsTables } from "../../node/ovs.ts";
import type { OvsdbClient } from "../../ovsdb/client.ts";
import { VSWITCH, type VswitchTables } from "../../ovsdb/generated/vswitch.ts";
import type { Mirror, MirrorRow, RowChange, RowIndex } from "../../ovsdb/mirror.ts";
import type { Operation } from "../../ovsdb/operation.ts";
import type { Selected } from "../../ovsdb/selection.ts";
import type { Encap } from "../node-gateway/tunnel-mtu.ts";
import { EXTERNAL_ID, type PodPort } from "./ports.ts";

/**
 * The columns of the local Open vSwitch database that the daemon reads; not the statistics, which change every few
 * seconds.
 */
const SELECTION = {
  Open_vSwitch: ["external_ids", "cur_cfg"],
  Bridge: ["name", "ports", "mirrors", "datapath_type", "external_ids"],
  Mirror: ["name", "output_port", "select_all", "select_src_port", "select_dst_port", "external_ids"],
  Port: ["name", "interfaces", "qos", "external_ids"],
  Flow_Sample_Collector_Set: ["id", "bridge", "ipfix", "external_ids"],
  QoS: ["type", "queues", "other_config", "external_ids"],
  Queue: ["other_config", "external_ids"],
  Interface: ["name", "type", "ofport", "mac", "mtu_request", "external_ids", "error", "bfd", "bfd_status"],
} as const;

type ViewTables = Selected<VswitchTables, typeof SELECTION>;
/** One row of the view that was added, deleted or changed. */
export type OvsChange = RowChange<ViewTables>;
/** A row of `Interface`, as far as it is mirrored. */
export type InterfaceView = MirrorRow<ViewTables["Interface"]>;
/** A row of `Bridge`, as far as it is mirrored. */
export type BridgeView = MirrorRow<ViewTables["Bridge"]>;

/** The row of `Open_vSwitch`, as far as it is mirrored. */
export type RootView = MirrorRow<ViewTables["Open_vSwitch"]>;

/** The integration bridge (ovn-controller(8), `ovn-bridge`). */
export const INTEGRATION_BRIDGE = "br-int";

/** In a Port's external_ids: `<chassis>@<its address>`, and `%<our address>` in newer versions (ovn controller/encaps.c, `encaps_tunnel_id_create`). */
const TUNNEL_ID = "ovn-chassis-id";

/** The local Open vSwitch database, with the lookups that the daemon needs. */
export class OvsView implements OvsTables {
  readonly client: OvsdbClient;
  readonly mirror: Mirror<ViewTables>;
  readonly #bridges: RowIndex<ViewTables["Bridge"]>;
  readonly #ports: RowIndex<ViewTables["Port"]>;
  readonly #interfaces: RowIndex<ViewTables["Interface"]>;
  readonly #byIfaceId: RowIndex<ViewTables["Interface"]>;
  readonly #tunnels: RowIndex<ViewTables["Port"]>;
  readonly #byContainer: RowIndex<ViewTables["Interface"]>;

  constructor(client: OvsdbClient) {
    this.client = client;
    this.mirror = client.monitor(VSWITCH, SELECTION);
    this.#bridges = this.mirror.index("Bridge", "name", (row) => row.name);
    this.#ports = this.mirror.index("Port", "interface", (row) => row.interfaces);
    this.#tunnels = this.mirror.index("Port", "tunnel", ({ external_ids: ids }) => ids[TUNNEL_ID] && TUNNEL_ID);
    this.#interfaces = this.mirror.index("Interface", "name", (row) => row.name);
    this.#byIfaceId = this.mirror.index("Interface", "iface-id", ours(EXTERNAL_ID.ifaceId));
    this.#byContainer = this.mirror.index("Interface", "container", ours(EXTERNAL_ID.containerId));
  }

  /** The mirror is current. */
  get synced(): boolean {
    return this.mirror.synced;
  }

  /** The integration bridge; undefined until ovn-controller has created it. */
  bridge(): BridgeView | undefined {
    return this.#bridges.lookup(INTEGRATION_BRIDGE)[0];
  }

  /** This node's chassis in OVN (ovn-controller(8), `system-id`). */
  systemId(): string | undefined {
    return this.#externalIds()["system-id"];
  }

  /** The type and address of this node's tunnels; undefined until configured. */
  encap(): Encap | undefined {
    const ids = this.#externalIds();
    const ip = ids["ovn-encap-ip"];
    return ip ? { type: ids["ovn-encap-type"] ?? "geneve", ip } : undefined;
  }

  /** The root row; `cur_cfg` is the last `next_cfg` that ovs-vswitchd has processed (ovs-vswitchd.conf.db(5)). */
  root(): RootView | undefined {
    for (const row of this.mirror.rows("Open_vSwitch")) return row;
    return undefined;
  }

  bridges(): Iterable<BridgeView> {
    return this.mirror.rows("Bridge");
  }

  interfaces(): Iterable<InterfaceView> {
    return this.mirror.rows("Interface");
  }

  /** A port by its uuid. */
  port(uuid: string): ViewTables["Port"] | undefined {
    return this.mirror.get("Port", uuid);
  }

  /** Commits a transaction. */
  transact(operations: readonly Operation[]): Promise<unknown> {
    return this.client.transact(VSWITCH.name, operations);
  }

  interfaceNamed(name: string): InterfaceView | undefined {
    return this.#interfaces.lookup(name)[0];
  }

  interfacesOfContainer(containerId: string): readonly InterfaceView[] {
    return this.#byContainer.lookup(containerId);
  }

  interfacesOfIfaceId(ifaceId: string): readonly InterfaceView[] {
    return this.#byIfaceId.lookup(ifaceId);
  }

  /** The uuid of the port that the interface is in. */
  portOf(interfaceUuid: string): string | undefined {
    return this.#ports.lookup(interfaceUuid)[0]?._uuid;
  }

  /** The interface as a pod's port; undefined if it is not a pod's, not Weft's, or not on the integration bridge. */
  podPort(row: InterfaceView, onBridge: ReadonlySet<string> = new Set(this.bridge()?.ports)): PodPort | undefined {
    const ids = row.external_ids;
    if (ids[EXTERNAL_ID.vendor] !== VENDOR || ids[EXTERNAL_ID.podName] === undefined) return undefined;
    const portUuid = this.portOf(row._uuid);
    if (portUuid === undefined || !onBridge.has(portUuid)) return undefined;
    return {
      portUuid,
      interfaceUuid: row._uuid,
      name: row.name,
      externalIds: ids,
      error: row.error ?? "",
      installed: ids[EXTERNAL_ID.ovnInstalled] === "true",
    };
  }

  /** The tunnels of ovn-controller: for each interface the chassis at its other end. */
  tunnels(): readonly { readonly chassis: string; readonly row: InterfaceView }[] {
    return this.#tunnels.lookup(TUNNEL_ID).flatMap(({ external_ids: ids, interfaces }) =>
      interfaces.flatMap((uuid) => {
        const [chassis] = (ids[TUNNEL_ID] ?? "").split("@");
        const row = this.mirror.get("Interface", uuid);
        return row === undefined || !chassis ? [] : [{ chassis, row }];
      }),
    );
  }

  /** All of Weft's pod ports. */
  podPorts(): readonly PodPort[] {
    const onBridge = new Set(this.bridge()?.ports);
    return [...this.mirror.rows("Interface")].flatMap((row) => this.podPort(row, onBridge) ?? []);
  }

  #externalIds(): Readonly<Record<string, string>> {
    for (const row of this.mirror.rows("Open_vSwitch")) return row.external_ids;
    return {};
  }
}

function ours(key: string): (row: InterfaceView) => string | undefined {
  return ({ external_ids: ids }) => (ids[EXTERNAL_ID.vendor] === VENDOR ? ids[key] : undefined);
}
