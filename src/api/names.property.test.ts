// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { isOvnProvider, OVN_PROVIDER, ovnAttachmentProvider } from "./annotations.ts";
import type { Name } from "./composed-name.ts";
import {
  DENY_ALL_GROUP,
  ipPoolAddressSetName,
  loadBalancerGroupName,
  loadBalancerName,
  localnetPortName,
  nodePortGroupName,
  portGroupAddressSet,
  routerPortName,
  routerSwitchPortName,
  securityGroupPortGroupName,
  vipPortName,
  virtualPortName,
} from "./names.ts";
import { multicastQuerierName, nodePortName, podPortName, u2oIpName } from "./port-names.ts";

/** Words that make composed names ambiguous, and parts of our own names. */
const WORD = fc.constantFrom(
  "a",
  "b",
  "0",
  "1",
  "ovn",
  "node",
  "sg",
  "weft",
  "pods",
  "localnet",
  "mcast-querier",
  "u2o-interconnection",
);
/** DNS-1123 label: a namespace's name. */
const label = fc.array(WORD, { minLength: 1, maxLength: 3 }).map((words) => words.join("-"));
/** DNS-1123 subdomain: all other names. */
const subdomain = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join("."));
const provider = fc.oneof(
  fc.constant(OVN_PROVIDER),
  fc.tuple(subdomain, label).map(([nad, ns]) => `${nad}.${ns}`),
  fc.tuple(subdomain, label).map(([nad, ns]) => ovnAttachmentProvider(nad, ns)),
  fc.tuple(subdomain, label, label).map(([nad, ns, name]) => ovnAttachmentProvider(nad, ns, name)),
);

/** A name and the identity of its object. */
type Made<T> = readonly [object: string, name: T];

/** Names that depend on their parts only: IP objects, and ports of pods and nodes. */
const fixed: fc.Arbitrary<Made<string>> = fc.oneof(
  fc.tuple(subdomain, label, provider).map((of): Made<string> => [`pod ${of.join(" ")}`, podPortName(...of)]),
  subdomain.map((node): Made<string> => [`node ${node}`, nodePortName(node)]),
  fc.tuple(subdomain, subdomain).map((of): Made<string> => [`u2o ${of.join(" ")}`, u2oIpName(...of)]),
  subdomain.map((subnet): Made<string> => [`querier ${subnet}`, multicastQuerierName(subnet)]),
  subdomain.map((subnet): Made<string> => [`localnet ${subnet}`, localnetPortName(subnet)]),
);

/** Ports of which the oldest has the plain name. */
const ports: fc.Arbitrary<Made<Name>> = fc.oneof(
  fc.tuple(subdomain, subdomain).map((of): Made<Name> => [`router port ${of.join(" ")}`, routerPortName(...of)]),
  fc.tuple(subdomain, subdomain).map((of): Made<Name> => [`switch port ${of.join(" ")}`, routerSwitchPortName(...of)]),
  subdomain.map((vip): Made<Name> => [`vip ${vip}`, virtualPortName(vip)]),
);

const groups: fc.Arbitrary<Made<Name>> = subdomain.map((node): Made<Name> => [`node ${node}`, nodePortGroupName(node)]);

const securityGroup: fc.Arbitrary<Made<string>> = fc
  .oneof(subdomain, fc.constant(DENY_ALL_GROUP))
  .map((group): Made<string> => [`sg ${group}`, securityGroupPortGroupName(group)]);

const addressSet: fc.Arbitrary<Made<Name>> = subdomain.map(
  (pool): Made<Name> => [`pool ${pool}`, ipPoolAddressSetName(pool)],
);

const RUNS = { numRuns: 20_000 };

/** Whether two names may exist at once: equal plain names may not, because one of them gets a digest. */
function apart([object, name]: Made<Name>, [other, its]: Made<Name>): boolean {
  if (object === other) return true;
  return name.distinct !== its.distinct && name.distinct !== its.plain && name.plain !== its.distinct;
}

t.test("a name that depends on its parts only is unique", async () => {
  fc.assert(
    fc.property(fixed, fixed, ([object, name], [other, its]) => object === other || name !== its),
    RUNS,
  );
  // The same text divided differently.
  fc.assert(
    fc.property(
      fc.array(label, { minLength: 2, maxLength: 8 }),
      fc.array(fc.nat({ max: 7 }), { maxLength: 8 }),
      (labels, at) => {
        const [cut = 1, next = 1] = at.map((each) => 1 + (each % (labels.length - 1)));
        const text = labels.join(".");
        const own = (dots: number): Made<string> => {
          const [pod, ns] = [labels.slice(0, dots).join("."), labels.slice(dots, dots + 1).join(".")];
          const rest = labels.slice(dots + 1).join(".");
          return [JSON.stringify([pod, ns, rest]), podPortName(pod, ns, rest === "" ? OVN_PROVIDER : rest)];
        };
        const all = [
          own(cut),
          own(next),
          own(labels.length - 1),
          ["node", nodePortName(text.replace(/^node-/, ""))] as const,
        ];
        return all.every(([object, name]) => all.every(([other, its]) => object === other || name !== its));
      },
    ),
    RUNS,
  );
});

t.test("a name with a digest is never a plain name, and no two are equal", async () => {
  for (const kind of [ports, groups, addressSet]) fc.assert(fc.property(kind, kind, apart), RUNS);
});

t.test("ports of routers and Vips never have the name of a pod's or node's port", async () => {
  fc.assert(
    fc.property(ports, fixed, ([, name], [, its]) => name.plain !== its && name.distinct !== its),
    RUNS,
  );
});

t.test("the port of a Vip with a type has a unique name, except that of the pod with its name", async () => {
  fc.assert(
    fc.property(subdomain, label, provider, fixed, ports, (vip, namespace, of, [object, its], [, port]) => {
      const name = vipPortName(vip, namespace, of);
      const isPodOfThatName = object === `pod ${vip} ${namespace} ${of}`;
      if (name.plain !== podPortName(vip, namespace, of) || name.distinct === its) return false;
      return (
        (isPodOfThatName || name.plain !== its) &&
        ![port.plain, port.distinct].includes(name.plain) &&
        name.distinct !== port.distinct
      );
    }),
    RUNS,
  );
});

t.test("groups of SecurityGroups have unique names, and no address set of OVN has the name of a pool's", async () => {
  fc.assert(
    fc.property(securityGroup, securityGroup, ([object, name], [other, its]) => object === other || name !== its),
    RUNS,
  );
  fc.assert(
    fc.property(securityGroup, groups, ([, name], [, its]) => name !== its.plain && name !== its.distinct),
    RUNS,
  );
  fc.assert(
    fc.property(
      groups,
      securityGroup,
      addressSet,
      fc.constantFrom(4 as const, 6 as const),
      ([, group], [, sg], [, set], family) =>
        [group.plain, group.distinct, sg, "weft.nodes.0123456789abcdef0123"].every((name) => {
          const derived = portGroupAddressSet(name, family);
          return set.plain !== derived && set.distinct !== derived;
        }),
    ),
    RUNS,
  );
});

t.test("slashes distinguish load balancers from their groups", async () => {
  const balancer = fc.tuple(label, label, fc.constantFrom("TCP" as const, "UDP" as const, "SCTP" as const));
  fc.assert(
    fc.property(balancer, balancer, (a, b) => {
      const name = ([ns, service, protocol]: typeof a): string => loadBalancerName(`${ns}/${service}`, protocol);
      return (name(a) === name(b)) === (a.join() === b.join());
    }),
  );
  fc.assert(
    fc.property(subdomain, subdomain, (a, b) => (loadBalancerGroupName(a) === loadBalancerGroupName(b)) === (a === b)),
  );
});

t.test("names of objects are valid object names", async () => {
  const long = fc.tuple(subdomain, fc.integer({ min: 1, max: 253 })).map(([name, length]) =>
    name
      .repeat(60)
      .slice(0, length)
      .replace(/[-.]+$/, ""),
  );
  fc.assert(
    fc.property(long, label, provider, (owner, namespace, of) =>
      [podPortName(owner, namespace, of), nodePortName(owner)].every(
        (name) => name.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name),
      ),
    ),
    RUNS,
  );
});

t.test("names of groups and sets can be written in a match", async () => {
  fc.assert(
    fc.property(fc.oneof(groups, addressSet), ([, { plain, distinct }]) =>
      [plain, distinct].every((name) => /^[a-z_][a-z0-9_.]*$/.test(name)),
    ),
    RUNS,
  );
});

t.test("an unambiguous name is the same as in Kube-OVN", async (t) => {
  t.equal(podPortName("web-0", "shop"), "web-0.shop");
  t.equal(podPortName("web.0", "shop"), "web.0.shop", "a namespace has no dot");
  t.equal(podPortName("node-0", "chain"), "node-0.chain");
  t.equal(podPortName("node-exporter-x7k2p", "monitoring"), "node-exporter-x7k2p.monitoring");
  t.equal(podPortName("web-0", "shop", "net1.shop.ovn"), "web-0.shop.net1.shop.ovn");
  t.equal(podPortName("web-0", "shop", "net1.shop.ovn.eth2"), "web-0.shop.net1.shop.ovn.eth2");
  t.equal(podPortName("web-0", "shop", "macvlan.infra"), "web-0.shop.macvlan.infra");
  t.equal(podPortName("etcd-a.example.test.org", "kube-system"), "etcd-a.example.test.org.kube-system");
  t.equal(nodePortName("weft-1"), "node-weft-1");
  t.equal(nodePortName("ip-10-0-0-1.ec2.internal"), "node-ip-10-0-0-1.ec2.internal");
  t.same(routerPortName("ovn-cluster", "ovn-default").plain, "ovn-cluster-ovn-default");
  t.same(routerSwitchPortName("ovn-default", "ovn-cluster").plain, "ovn-default-ovn-cluster");
  t.same(virtualPortName("vip-1").plain, "vip-1");
  t.same(vipPortName("slr-web", "shop", "ovn").plain, "slr-web.shop");
  t.same(nodePortGroupName("ip-10.ec2.internal").plain, "node.ip.10.ec2.internal");
  t.same(ipPoolAddressSetName("pool-a.b").plain, "pool.a.b");
  t.equal(securityGroupPortGroupName("front-end"), "ovn.sg.front.end");
  fc.assert(
    fc.property(label, label, (name, namespace) => {
      const reserved = ["localnet", "mcast-querier", "u2o-interconnection"].includes(name);
      return reserved || podPortName(name, namespace) === `${name}.${namespace}`;
    }),
  );
  t.ok(isOvnProvider(ovnAttachmentProvider("net1", "shop")));
});
