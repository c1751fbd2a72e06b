// SPDX-License-Identifier: Apache-2.0

import { VSWITCH } from "../../src/ovsdb/generated/vswitch.ts";
import { openOvsdb } from "../../src/ovsdb/open.ts";
import type { UserspacePorts } from "./kernel-view.ts";

const FOLLOWED = {
  Bridge: ["name", "datapath_type", "ports"],
  Port: ["interfaces"],
  Interface: ["name", "type"],
} as const;

/** Longest time to wait for a node's Open vSwitch. */
const WAIT_MS = 10_000;

/** Follows the Open vSwitch of a node whose root file system is `root` here. */
export function followUserspacePorts(root: string) {
  const client = openOvsdb({ remotes: [`unix:${root}/run/openvswitch/db.sock`], database: VSWITCH.name });
  const mirror = client.monitor(VSWITCH, FOLLOWED);
  return {
    /** The interfaces of its bridges with a userspace datapath. Rejects OvsdbError if the database does not answer. */
    async ports(): Promise<UserspacePorts> {
      await mirror.whenSynced(AbortSignal.timeout(WAIT_MS));
      const interfaces = [...mirror.rows("Bridge")]
        .filter(({ datapath_type }) => datapath_type === "netdev")
        .flatMap(({ ports }) => [...ports].flatMap((port) => [...(mirror.get("Port", port)?.interfaces ?? [])]))
        .flatMap((uuid) => mirror.get("Interface", uuid) ?? []);
      const named = (type: string): ReadonlySet<string> =>
        new Set(interfaces.filter((one) => one.type === type).map(({ name }) => name));
      return { internal: named("internal"), system: named("") };
    },
    close: (): Promise<void> => client.close(),
  };
}
