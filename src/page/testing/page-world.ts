// SPDX-License-Identifier: Apache-2.0

import {
  addAdminPolicy,
  addChassis,
  addNode,
  addSubnet,
  addVpc,
  followed,
  sampleFacts,
} from "../../compile/testing/sample-facts.ts";
import { stableMac } from "../../desired/identity.ts";
import { deriverOf } from "../../facts/derivation.ts";
import { projectNamespace, projectPod } from "../../facts/project-core.ts";
import { projectIp } from "../../facts/project-ip.ts";
import { projectNetworkPolicy } from "../../facts/project-policy.ts";
import { projectEndpointSlice, projectService } from "../../facts/project-service.ts";
import type { FactStore } from "../../facts/store.ts";
import { addressHolders } from "../../kinds/address-holders.ts";
import { compileAll } from "../../kinds/compile-all.ts";
import { PolicyIndex } from "../../reachability/policy-index.ts";
import type { OverviewSource } from "../overview.ts";
import type { ReachSource } from "../reach.ts";
import type { Viewer } from "../viewer.ts";

/** The size of a world for the page. */
export interface PageWorldSize {
  readonly namespaces: number;
  readonly podsEach: number;
  readonly nodes: number;
}

/** Name of a namespace of the world. */
export function tenantName(index: number): string {
  return `tenant-${String(index).padStart(3, "0")}`;
}

/**
 * A cluster of many tenants: each namespace has pods `web-N`, which every tenant calls the same, a policy, and a Service. The VPCs and subnets of `sampleFacts`, and one VPC with a
 * subnet for the first tenant.
 */
export function pageWorld({ namespaces, podsEach, nodes }: PageWorldSize): FactStore {
  const facts = sampleFacts();
  followed(facts, deriverOf(facts, addressHolders));
  for (let n = 3; n <= nodes; n++) addNode(facts, `weft-${n}`, `172.18.${n >> 8}.${n & 255}`);
  for (let n = 1; n <= nodes; n++) addChassis(facts, `weft-${n}`, `chassis-${n}`);
  addVpc(facts, "vpc-a", { namespaces: [tenantName(0)] });
  addSubnet(facts, "subnet-a", { vpc: "vpc-a", cidrBlock: "10.200.0.0/24", namespaces: [tenantName(0)] });
  let address = 0;
  for (let n = 0; n < namespaces; n++) {
    const namespace = tenantName(n);
    facts.set("namespaces", namespace, projectNamespace({ metadata: { name: namespace, uid: `uid-${namespace}` } }));
    const endpoints = [];
    for (let p = 0; p < podsEach; p++) {
      const name = `web-${p}`;
      const node = `weft-${1 + ((n + p) % nodes)}`;
      address++;
      const v4 = `10.16.${(address + 255) >> 8}.${(address + 255) & 255}`;
      const v6 = `fd00:10:16::${(address + 255).toString(16)}`;
      addTenantPod(facts, { namespace, name, node, v4, v6 });
      endpoints.push({ addresses: [v4], targetRef: { kind: "Pod", name, namespace } });
    }
    facts.set(
      "networkPolicies",
      `${namespace}/own`,
      projectNetworkPolicy({
        metadata: { name: "own", namespace, uid: `uid-np-${namespace}` },
        spec: {
          podSelector: {},
          ingress: [{ from: [{ podSelector: {} }], ports: [{ protocol: "TCP", port: 80 }] }],
        },
      }),
    );
    facts.set(
      "services",
      `${namespace}/web`,
      projectService({
        metadata: { name: "web", namespace, uid: `uid-svc-${namespace}` },
        spec: { clusterIP: `10.96.${n >> 8}.${n & 255}`, ports: [{ port: 80, protocol: "TCP" }] },
      }),
    );
    facts.set(
      "endpointSlices",
      `${namespace}/web-1`,
      projectEndpointSlice({
        metadata: {
          name: "web-1",
          namespace,
          uid: `uid-slice-${namespace}`,
          labels: { "kubernetes.io/service-name": "web" },
        },
        endpoints,
        ports: [{ port: 80, protocol: "TCP" }],
      }),
    );
  }
  addAdminPolicy(facts, "anp", "deny-telnet", {
    priority: 10,
    subject: { namespaces: {} },
    ingress: [{ action: "Deny", from: [{ namespaces: {} }], ports: [{ portNumber: { protocol: "TCP", port: 23 } }] }],
  });
  return facts;
}

/** Adds a pod with its address. */
export function addTenantPod(
  facts: FactStore,
  {
    namespace,
    name,
    node,
    v4,
    v6,
    subnet = "ovn-default",
  }: {
    readonly namespace: string;
    readonly name: string;
    readonly node: string;
    readonly v4: string;
    readonly v6: string;
    readonly subnet?: string;
  },
): void {
  facts.set(
    "pods",
    `${namespace}/${name}`,
    projectPod({
      metadata: { name, namespace, uid: `uid-${namespace}-${name}`, labels: { app: "web" }, annotations: {} },
      spec: { nodeName: node, containers: [{ ports: [{ name: "http", containerPort: 80 }] }] },
      status: { phase: "Running" },
    }),
  );
  const record = `${name}.${namespace}`;
  const spec = { podName: name, namespace, nodeName: node, subnet, v4IpAddress: v4, v6IpAddress: v6 };
  const annotations = { "weft.kubeovn.io/pod-uid": `uid-${namespace}-${name}` };
  facts.set(
    "ips",
    record,
    projectIp({
      metadata: { name: record, uid: `uid-ip-${record}`, annotations },
      spec: { ...spec, macAddress: stableMac(record) },
    }),
  );
}

/** Who sees everything. */
export const ADMINISTRATOR: Viewer = {
  user: "admin",
  sees: { allNamespaces: true, nodes: true, networks: true },
  maySee: () => true,
};

/** Who sees some namespaces and nothing else. */
export function tenant(...namespaces: readonly string[]): Viewer {
  return {
    user: `system:serviceaccount:${namespaces[0]}:viewer`,
    sees: { allNamespaces: false, nodes: false, networks: false },
    maySee: (namespace) => namespaces.includes(namespace),
  };
}

/** What answers are made from: the world, compiled. */
export function pageSource(facts: FactStore): OverviewSource & ReachSource {
  const fragments = compileAll(facts);
  return {
    facts,
    book: new PolicyIndex(facts),
    compiled: { units: () => fragments.keys(), fragment: (unit) => fragments.get(unit) },
    conditionsOf: () => [],
    parts: [{ kind: "Deployment", name: "kube-ovn-controller", wanted: 1, ready: 1 }],
    leader: { name: "kube-ovn-controller-0" },
    answeredBy: { name: "kube-ovn-controller-0", leading: true },
    warnings: [],
  };
}
