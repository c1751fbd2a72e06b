// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { parseIp } from "../../net/address.ts";
import { NodePortStaleUdp } from "./node-port-stale-udp.ts";
import type { LocalEndpoint } from "./service-rules.ts";

const endpoint = (ip: string, protocol: "tcp" | "udp" = "udp"): LocalEndpoint => ({
  ...{ port: "dns", protocol, number: 53 },
  ip: parseIp(ip)!,
});
const services = (...list: readonly LocalEndpoint[]) => ({
  endpoints: new Map([["default/dns", list]]),
  everywhere: new Map(),
});

t.test("the flows to a UDP endpoint are deleted when the rules no longer contain it, and not before", async (t) => {
  const forgotten: string[] = [];
  let fails = false;
  const stale = new NodePortStaleUdp((ip, port) => {
    if (fails) throw new Error("the kernel refuses");
    return forgotten.push(`${ip.text} ${port}`);
  });
  stale.applied(services(endpoint("10.16.0.2"), endpoint("10.16.0.3"), endpoint("10.16.0.4", "tcp")));
  stale.applied(services(endpoint("10.16.0.2"), endpoint("10.16.0.3")));
  t.same(forgotten, [], "TCP ends by itself");
  fails = true;
  t.throws(() => stale.applied(services(endpoint("10.16.0.3"))));
  fails = false;
  stale.applied(services(endpoint("10.16.0.3")));
  t.same(forgotten, ["10.16.0.2 53"], "also after a failure");
  stale.applied(undefined);
  t.same(forgotten, ["10.16.0.2 53", "10.16.0.3 53"], "kube-proxy serves the node from now on");
});
