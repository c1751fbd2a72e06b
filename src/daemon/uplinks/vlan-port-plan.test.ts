// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { Device } from "./uplink-plan.ts";
import { NO_STATE, type UplinkRecord } from "./uplink-record.ts";
import { planVlan } from "./vlan-port-plan.ts";

const MAC = "02:00:00:00:00:01";

t.test(
  "a port gets nothing before ovs-vswitchd has given it its MAC, for which it brings the device down",
  async (t) => {
    const plan = (mac: string, holder: number) => {
      const record: UplinkRecord = {
        ...{ network: "net", interface: "eth1.100", mac: MAC, mtu: 1400, boot: "b", filter: "0", holder },
        ...{ addresses: [{ address: "fd00::50", prefix: 64 }], routes: [], neighbours: [] },
      };
      const device = {
        ...{
          link: { index: 7, name: "br-net-vlan100", mac, mtu: 1400, up: true },
          leavesChecksums: false,
          filter: "0",
        },
        ...{ state: NO_STATE, learned: [], pending: [] },
      } as unknown as Device;
      const port = { uuid: "p", record, error: "" };
      return planVlan(
        {
          ...{ boot: "b", isUserspace: true, filter: "0", name: "eth1.100", id: 100, network: "net" },
          ...{ vlan: undefined, parent: undefined, port, device, occupant: undefined },
        },
        true,
      );
    };
    t.match(plan("02:00:00:00:00:02", 0), { wait: /the MAC 02:00:00:00:00:01/ });
    t.match(plan(MAC, 0), { step: { do: "address", address: { address: "fd00::50" } } });
    t.notMatch(plan("02:00:00:00:00:02", 7), { wait: /./ }, "an administrator has changed it since");
  },
);
