// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { SubnetContract } from "../../contract/subnet.ts";
import { parseIp } from "../../net/address.ts";
import { parseCidr } from "../../net/cidr.ts";
import { FakeKernel } from "../../node/testing/fake-kernel.ts";
import { egressRoutes, egressRules, planEgress } from "./egress.ts";
import { ObservedNode } from "./observed-node.ts";

function subnet(cidrs: string, gateways: string, table = 1000): SubnetContract {
  return {
    cidrs: cidrs.split(",").map((text) => parseCidr(text)!),
    natOutgoing: false,
    gatewayType: "distributed",
    mtu: 0,
    egress: { gateways: gateways.split(",").map((text) => parseIp(text)!), table, priority: 1500 },
  };
}

/** A node with `eth0` in the routers' network. */
function node() {
  const kernel = new FakeKernel();
  kernel.createLink({ name: "eth0", kind: "veth", up: true });
  const index = kernel.link("eth0")!.index;
  kernel.setAddress({ index, address: "172.18.0.11", prefix: 24 });
  kernel.setAddress({ index, address: "fd00:172::11", prefix: 64 });
  kernel.addRoute({ destination: "0.0.0.0/0", gateway: "172.18.0.1", device: index });
  return { kernel, index, observed: new ObservedNode(kernel) };
}

t.test("a rule for each range selects the table, which has the router of its family", async (t) => {
  const plans = planEgress([subnet("10.63.0.0/24,fd00:63::/112", "172.18.0.9,fd00:172::9")], node().observed);
  t.same(egressRules(plans), [
    {
      ...{ family: 4, priority: 1500, source: "10.63.0.0/24", inputInterface: "ovn0" },
      ...{ mark: 0, mask: 0x0100_0000, table: 1000 },
    },
    {
      ...{ family: 6, priority: 1500, source: "fd00:63::/112", inputInterface: "ovn0" },
      ...{ mark: 0, mask: 0x0100_0000, table: 1000 },
    },
  ]);
  t.same(egressRoutes(plans), [
    { link: "eth0", destination: "0.0.0.0/0", gateway: "172.18.0.9", table: 1000 },
    { type: "unreachable", destination: "0.0.0.0/0", table: 1000, metric: 0x7fff_ffff },
    { link: "eth0", destination: "::/0", gateway: "fd00:172::9", table: 1000 },
    { type: "unreachable", destination: "::/0", table: 1000, metric: 0x7fff_ffff },
  ]);
});

t.test("a family without a router of its own leaves as before", async (t) => {
  const plans = planEgress([subnet("10.63.0.0/24,fd00:63::/112", "172.18.0.9")], node().observed);
  t.same(
    plans.map(({ source }) => source.text),
    ["10.63.0.0/24"],
  );
});

t.test("a node that is the router itself has neither rule nor route", async (t) => {
  t.same(planEgress([subnet("10.63.0.0/24", "172.18.0.11")], node().observed), []);
});

t.test("while no link has the router, packets are rejected instead of leaving by another router", async (t) => {
  const plans = planEgress([subnet("10.63.0.0/24", "198.51.100.1")], node().observed);
  t.same(egressRules(plans).length, 1);
  t.match(egressRoutes(plans), [{ type: "unreachable" }]);
});

t.test("an event that may change a router's reachability concerns the plan", async (t) => {
  const { kernel, index, observed } = node();
  let concerned = 0;
  kernel.watch((event) => {
    if (observed.concerns(event)) concerned++;
  });
  const router = parseIp("192.0.2.1")!;
  t.equal(observed.linkTo(router), undefined);
  // The tunnel interface is found, so that not every address event concerns the plan.
  observed.mtu({ type: "geneve", ip: "172.18.0.11" });
  kernel.setAddress({ index, address: "192.0.2.7", prefix: 24 });
  t.ok(concerned > 0, "its network comes");
  t.equal(observed.linkTo(router), "eth0");
  concerned = 0;
  kernel.setLink(index, { up: false });
  t.ok(concerned > 0, "its interface goes down");
  t.equal(observed.linkTo(router), undefined);
  concerned = 0;
  kernel.createLink({ name: "pod_h", kind: "veth", up: true });
  kernel.addRoute({ destination: "10.1.2.3/32", device: kernel.link("pod_h")!.index });
  t.equal(concerned, 0, "routes to other destinations do not");
});
