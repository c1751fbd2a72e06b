// SPDX-License-Identifier: Apache-2.0

import { Ipam } from "../../src/ipam/ipam.ts";
import { ovnDnatRuleKind } from "../../src/kinds/ovn-dnat-rule.ts";
import { ovnEipKind } from "../../src/kinds/ovn-eip.ts";
import { ovnFipKind } from "../../src/kinds/ovn-fip.ts";
import { routerLbRuleKind } from "../../src/kinds/router-lb-rule.ts";
import { NODES, PODS, SERVICES, SUBNETS, VPCS } from "../../src/kube/resources.ts";
import { replaced } from "../sim/replaced.ts";
import { type Edit, EXTERNAL_HISTORY, put } from "./edits.ts";
import type { Body } from "./objects.ts";
import type { Plant } from "./world.ts";

/** Edits of a node, a Subnet and Services. */
export const PUTS: readonly Edit[] = [
  { after: 0, do: "put", type: NODES, ref: { name: "n2" }, body: {} },
  {
    after: 0,
    do: "put",
    type: SUBNETS,
    ref: { name: "sa" },
    body: { spec: { cidrBlock: "10.50.0.0/24", gatewayType: "centralized", gatewayNode: "n1" } },
  },
  service("10.96.0.9"),
  { ...service("10.96.0.3"), after: 40_000 },
  {
    after: 40_000,
    do: "put",
    type: SERVICES,
    ref: { namespace: "default", name: "s3" },
    body: serviceBody("10.96.0.7"),
  },
  { after: 40_000, do: "delete", type: SERVICES, ref: { namespace: "default", name: "s3" } },
];

function service(clusterIP: string): Edit {
  const ref = { namespace: "default", name: "s1" };
  return { after: 0, do: "put", type: SERVICES, ref, body: serviceBody(clusterIP) };
}

function serviceBody(clusterIP: string): Body {
  const ports = [{ port: 80, protocol: "TCP" }];
  return { spec: { type: "ClusterIP", clusterIP, clusterIPs: [clusterIP], ports } };
}

/** External addresses whose users are deleted, and used by others, while no controller runs. */
export const WHILE_STOPPED: readonly Edit[] = [
  ...EXTERNAL_HISTORY,
  put(VPCS, { name: "vb" }, { spec: { enableExternal: true, extraExternalSubnets: ["out"] } }),
  put(SUBNETS, { name: "sb" }, { spec: { vpc: "vb", cidrBlock: "10.51.0.0/24" } }),
  { after: 40_000, do: "restart", crash: true },
  { after: 0, do: "delete", type: routerLbRuleKind.type, ref: { name: "b1" } },
  put(routerLbRuleKind.type, { name: "b2" }, { spec: balanced("vb", 53) }),
  { after: 0, do: "delete", type: ovnFipKind.type, ref: { name: "f1" } },
  put(ovnFipKind.type, { name: "f2" }, { spec: { ovnEip: "e1", vpc: "vb", v4Ip: "10.51.0.9" } }),
  { after: 0, do: "delete", type: PODS, ref: { namespace: "default", name: "p3" } },
  put(PODS, { namespace: "default", name: "p4" }, withEip("172.29.0.5")),
];

/** A node that reports, while no controller runs, the chassis that another one has: it is the first of them, and gets the variables. */
export const SAME_CHASSIS: readonly Edit[] = [
  put(NODES, { name: "n2" }, withChassis("chassis-2")),
  { after: 40_000, do: "restart", crash: true },
  put(NODES, { name: "n1" }, withChassis("chassis-2")),
];

function withChassis(chassis: string): Body {
  return { metadata: { annotations: { "ovn.kubernetes.io/chassis": chassis } } };
}

/** Bugs, and the fault that must be found in a history for each. */
export const PLANTS: readonly {
  readonly bug: string;
  readonly history: readonly Edit[];
  readonly plant: Plant;
  readonly found: RegExp;
}[] = [
  {
    bug: "a change that the controller misses",
    history: PUTS,
    plant: {
      controller: ({ facts }) => {
        const set = facts.set.bind(facts);
        facts.set = (kind, key, fact) => {
          const isMissed = kind === "services" && fact !== undefined && facts.get(kind, key) !== undefined;
          if (!isMissed) set(kind, key, fact);
        };
      },
    },
    found: /^a fresh controller: row .*10\.96\.0\.3/,
  },
  {
    bug: "a row that stays although nothing wants it any more",
    history: PUTS,
    plant: {
      parts: (parts) => {
        const { northbound } = parts;
        const commit = northbound.commit.bind(northbound);
        northbound.commit = (plan) => commit({ ...plan, deletes: [] });
        return parts;
      },
    },
    found: /^a fresh controller with an empty database: row Load_Balancer .* is not there/,
  },
  {
    bug: "a transaction that is refused",
    history: PUTS,
    plant: {
      parts: (parts) => {
        const { northbound } = parts;
        const commit = northbound.commit.bind(northbound);
        let count = 0;
        northbound.commit = async (plan) =>
          ++count === 5 ? { kind: "refused", error: new Error("planted") } : await commit(plan);
        return parts;
      },
    },
    found: /^a transaction is refused: planted/,
  },
  {
    bug: "a finalizer that stays",
    history: PUTS,
    plant: {
      parts: (parts) => {
        const { kube } = parts;
        const patch = kube.patch.bind(kube);
        kube.patch = async (type, ref, change, options) => {
          const isRelease =
            type === SUBNETS && /"op":"remove","path":"\/metadata\/finalizers/.test(JSON.stringify(change.body));
          if (isRelease && ref.name === "sa") return (await kube.get(type, ref)) as never;
          return await patch(type, ref, change, options);
        };
        return parts;
      },
    },
    found: /^when all is deleted, there still is subnets \/sa/,
  },
  {
    bug: "an OvnEip is used in each VPC in which a RouterLBRule names it",
    history: [
      ...EXTERNAL_HISTORY,
      put(VPCS, { name: "vb" }, { spec: { enableExternal: true, extraExternalSubnets: ["out"] } }),
      put(SUBNETS, { name: "sb" }, { spec: { vpc: "vb", cidrBlock: "10.51.0.0/24" } }),
      put(routerLbRuleKind.type, { name: "b2" }, { spec: balanced("vb", 53) }),
    ],
    plant: {
      controller: ({ facts }) => {
        const get = facts.get.bind(facts);
        facts.get = (kind, key) => (kind === "eipVpcs" ? undefined : get(kind, key));
      },
    },
    found: /^used twice: 172\.30\.0\.5 is that of .*router va.*router vb/,
  },
  {
    bug: "a port that a RouterLBRule has is given to an OvnDnatRule",
    history: [
      ...EXTERNAL_HISTORY,
      put(
        ovnDnatRuleKind.type,
        { name: "dn1" },
        {
          spec: {
            ...{ ovnEip: "e2", externalPort: "80", internalPort: "80", protocol: "tcp" },
            ...{ vpc: "va", v4Ip: "10.50.0.9" },
          },
        },
      ),
    ],
    plant: {
      controller: ({ facts }) => {
        const by = facts.by.bind(facts);
        facts.by = (kind, index, key) => (String(index) === "port" ? [] : by(kind, index, key));
      },
    },
    found: /^used twice: 172\.30\.0\.5 is that of 172\.30\.0\.5:80\/tcp .*172\.30\.0\.5:80\/tcp/,
  },
  {
    bug: "the floating IP of a deleted pod stays, and another pod names its address",
    history: [
      ...EXTERNAL_HISTORY,
      { after: 40_000, do: "delete", type: PODS, ref: { namespace: "default", name: "p3" } },
      put(PODS, { namespace: "default", name: "p4" }, withEip("172.29.0.5")),
    ],
    plant: {
      parts: (parts) => {
        const { northbound } = parts;
        const commit = northbound.commit.bind(northbound);
        northbound.commit = (plan) =>
          commit({
            ...plan,
            mutations: plan.mutations.map((one) => (one.column === "nat" ? { ...one, delete: [] } : one)),
          });
        return parts;
      },
    },
    found: /^used twice: 172\.29\.0\.5 is that of .*dnat_and_snat.*dnat_and_snat/,
  },
  ...(["172.29.0.5", "172.29.0.6"] as const).map((v4Ip) => ({
    bug: `after a restart ${v4Ip} counts as free, which ${v4Ip.endsWith("5") ? "a pod's annotation" : "ConfigMap ovn-external-gw-config"} names`,
    history: [
      ...EXTERNAL_HISTORY,
      { after: 40_000, do: "restart", crash: false } as const,
      { ...put(ovnEipKind.type, { name: "e9" }, { spec: { v4Ip } }), after: 40_000 },
    ],
    plant: {
      install: () =>
        replaced(Ipam.prototype, "reserve", (reserve) => {
          return function (this: Ipam, record) {
            const isOfEip = record.owner.startsWith("ovnEip/");
            return isOfEip ? { lease: undefined, conflicts: [] } : reserve.call(this, record);
          };
        }),
    },
    found: new RegExp(`^given twice: OvnEip (\\S+) and OvnEip (\\S+) have ${v4Ip} of subnet external`),
  })),
];

/** A RouterLBRule's spec, at an OvnEip of {@link EXTERNAL_HISTORY}. */
function balanced(vpc: string, port: number): object {
  const ports = [{ name: "a", port, targetPort: 8080, protocol: "TCP" }];
  return { ovnEip: "e2", vpc, namespace: "default", endpoints: ["10.51.0.7"], ports };
}

function withEip(address: string): Body {
  return { metadata: { annotations: { "ovn.kubernetes.io/eip": address } } };
}
