// SPDX-License-Identifier: Apache-2.0

import type { NetworkInterfaceInfo } from "node:os";
import { networkInterfaces } from "node:os";
import { Command } from "commander";
import t from "tap";
import { hostNetworks } from "./host-networks.ts";
import { readSettings, withSettings } from "./settings.ts";

const entry = (cidr: string, internal = false) => ({ cidr, internal }) as NetworkInterfaceInfo;

t.test(
  "the networks of a host are those of its interfaces, without loopback, link-local and the cluster's own",
  async (t) => {
    t.same(
      hostNetworks({
        lo: [entry("127.0.0.1/8", true), entry("::1/128", true)],
        eth0: [entry("172.18.0.11/16"), entry("fd00:172:18::11/64"), entry("fe80::1/64")],
        eth1: [entry("10.0.4.9/22"), entry("169.254.7.1/16")],
        ovn0: [entry("100.64.0.2/16")],
      }),
      ["10.0.4.0/22", "172.18.0.0/16", "fd00:172:18::/64"],
    );
  },
);

t.test("nodes' networks are the configured ones, or by default those of this host", async (t) => {
  const read = (...args: string[]) => {
    const command = withSettings(new Command().exitOverride().configureOutput({ writeErr: () => undefined }), {});
    return readSettings(command.parse(args, { from: "user" }), {}).nodeCidrs;
  };
  t.same(read("--node-cidrs=172.18.0.0/16, fd00:172:18::/64"), ["172.18.0.0/16", "fd00:172:18::/64"]);
  t.same(read("--node-cidrs="), hostNetworks(networkInterfaces()), "as the chart writes an empty list");
  t.same(read(), hostNetworks(networkInterfaces()));
  t.throws(() => read("--node-cidrs=172.18.0.0"), { message: /not a valid CIDR/ });
});
