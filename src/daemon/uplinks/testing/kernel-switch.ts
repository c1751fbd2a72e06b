// SPDX-License-Identifier: Apache-2.0

import type { OvsdbClient } from "../../../ovsdb/client.ts";
import { VSWITCH } from "../../../ovsdb/generated/vswitch.ts";
import { update } from "../../../ovsdb/operation.ts";
import { addDeadEnd } from "./vlan-links.ts";

/** Runs `ip` in the node's namespace. */
type Ip = (...args: string[]) => string;

/**
 * What ovs-vswitchd does with bridges and their ports, by bridges of the kernel: a port's packets go to the bridge alone, as with Open vSwitch's kernel module. Interfaces of type
 * `internal` are bridges, which have the bridge's name, or else interfaces that are connected to nothing; br-int has none.
 */
export async function kernelSwitch(client: OvsdbClient, ip: Ip): Promise<void> {
  const mirror = client.monitor(VSWITCH, {
    Bridge: ["name", "ports", "other_config"],
    Port: ["interfaces"],
    Interface: ["name", "type", "mac", "mtu_request", "ofport"],
  });
  const made = new Map<string, Set<string>>();
  const internal = new Set<string>();
  const look = (): void => {
    const rows = [...mirror.rows("Bridge")].filter(({ name }) => name !== "br-int");
    for (const [name, ports] of made) {
      const row = rows.find((bridge) => bridge.name === name);
      const names = new Set(row?.ports.flatMap((uuid) => interfaceNames(uuid)));
      for (const port of ports)
        if (!names.has(port)) {
          if (internal.delete(port)) ip("link", "delete", port);
          else ip("link", "set", port, "nomaster");
          ports.delete(port);
        }
      if (row !== undefined) continue;
      ip("link", "delete", name);
      made.delete(name);
    }
    for (const { name, ports, other_config: config } of rows) {
      const faces = ports.flatMap((uuid) => mirror.get("Port", uuid)?.interfaces ?? []);
      for (const face of faces.flatMap((uuid) => mirror.get("Interface", uuid) ?? [])) {
        if (face.type === "internal" && face.name !== name && !internal.has(face.name)) {
          addDeadEnd(ip, face.name, face.mac ?? "", face.mtu_request ?? 1500);
          internal.add(face.name);
          made.get(name)?.add(face.name);
        }
        if (face.type === "internal" && face.name === name && !made.has(name)) {
          ip("link", "add", name, "address", config["hwaddr"] ?? "", "type", "bridge", "forward_delay", "0");
          ip("link", "set", name, "mtu", String(face.mtu_request ?? 1500), "addrgenmode", "none");
          made.set(name, new Set());
        }
        if (face.type !== "internal" && !made.get(name)?.has(face.name)) {
          ip("link", "set", face.name, "master", name);
          made.get(name)?.add(face.name);
        }
        if (face.ofport === 1) continue;
        client.transact(VSWITCH.name, [update(VSWITCH, "Interface", face._uuid, { ofport: 1 })]).catch(() => undefined);
      }
    }
  };
  const interfaceNames = (port: string): readonly string[] =>
    (mirror.get("Port", port)?.interfaces ?? []).flatMap((uuid) => mirror.get("Interface", uuid)?.name ?? []);
  mirror.subscribe(look);
  await mirror.whenSynced();
}
