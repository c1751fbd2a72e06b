// SPDX-License-Identifier: Apache-2.0

import { CLUSTER_ID, NODE, OVN_PROVIDER } from "../api/annotations.ts";
import { DEFAULT_SUBNET, DEFAULT_VPC, JOIN_SUBNET } from "../api/names.ts";
import { podPortName } from "../api/port-names.ts";
import type { WeftEffect } from "../compile/effects.ts";
import type { Fragment } from "../desired/fragment.ts";
import type { ClusterFact } from "../facts/cluster.ts";
import type { FactStore } from "../facts/store.ts";
import type { FactKind, FactTypes } from "../facts/types.ts";
import { compileAll } from "../kinds/compile-all.ts";
import { DerivedFacts } from "../kinds/derived.ts";
import { type Feed, feedsOf } from "../kinds/feeds.ts";
import { factStore } from "../kinds/store.ts";
import { KubeError } from "../kube/errors.ts";
import type { Kube } from "../kube/kube.ts";
import { type KubeObject, keyOf } from "../kube/object.ts";
import { listEach } from "../kube/pages.ts";
import { DEFAULT_NODE_PORTS } from "../net/port-range.ts";
import { OVN_NB } from "../ovsdb/generated/ovn-nb.ts";
import { isReference } from "../ovsdb/schema.ts";
import { Network } from "../reachability/network.ts";
import { PolicyIndex } from "../reachability/policy-index.ts";
import { withClusterId } from "../reconcile/with-cluster-id.ts";

/** Kind of fact → key → its object. */
export type ClusterObjects = ReadonlyMap<FactKind, ReadonlyMap<string, KubeObject>>;

/** The state of a cluster in the controller at one moment, and the compiled rows. Immutable. */
export interface ClusterModel {
  readonly facts: FactStore;
  /** Unit → its compiled fragment. */
  readonly fragments: ReadonlyMap<string, Fragment<WeftEffect>>;
  readonly network: Network;
  readonly book: PolicyIndex;
  /** Parts that are not known here and so not included, one text each. */
  readonly warnings: readonly string[];
}

/** The feeds by kind; the names do not affect which objects are read. */
export function feeds(names: { router: string; joinSubnet: string }): readonly (readonly [FactKind, Feed])[] {
  return Object.entries(feedsOf(names)) as [FactKind, Feed][];
}

/**
 * Lists once all objects that facts are made of. Writes nothing. A kind that the API server does not serve has no objects: CustomResourceDefinitions
 * may be older than this program. Rejects with a `KubeError`, also if Subnets are not served.
 */
export async function readObjects(kube: Kube): Promise<ClusterObjects> {
  const lists = feeds({ router: DEFAULT_VPC, joinSubnet: JOIN_SUBNET }).map(async ([kind, feed]) => {
    const found = new Map<string, KubeObject>();
    const { type, fieldSelector } = feed;
    try {
      const query = { pageSize: 500, ...(fieldSelector === undefined ? {} : { fieldSelector }) };
      for await (const object of listEach(kube, type, query)) found.set(keyOf(object.metadata), slim(object));
    } catch (error) {
      if (kind === "subnetSpecs" || !(error instanceof KubeError) || error.code !== "not-found") throw error;
    }
    return [kind, found] as const;
  });
  return new Map(await Promise.all(lists));
}

/** Builds the model of the objects. Pure: equal objects give equal models. */
export function buildClusterModel(objects: ClusterObjects): ClusterModel {
  const cluster = clusterOf(objects);
  const facts = factStore();
  facts.set("cluster", "cluster", cluster);
  for (const [kind, { project }] of feeds(cluster)) {
    for (const [key, object] of objects.get(kind) ?? []) {
      facts.set(kind, key, project(object as never) as FactTypes[FactKind] | undefined);
    }
  }
  new DerivedFacts(facts).start();
  return { ...modelOfFacts(facts, clusterIdIn(objects)), warnings: unknownDomains(facts) };
}

/** What the controller would make of all facts, those that follow from others among them. `clusterId`: see `qualify` in `src/desired/identity.ts`. */
export function modelOfFacts(facts: FactStore, clusterId: string): ClusterModel {
  const identity = { clusterId: () => clusterId, isReference: isNorthboundReference };
  const fragments = new Map([...compileAll(facts)].map(([unit, each]) => [unit, withClusterId(each, identity)]));
  const network = new Network(facts, fragments.values());
  return { facts, fragments, network, book: new PolicyIndex(facts), warnings: [] };
}

/** The id from which the controller derives rows' uuids, so that the shown uuid of an ACL is that of the database. */
function clusterIdIn(objects: ClusterObjects): string {
  return objects.get("namespaces")?.get("kube-system")?.metadata.annotations?.[CLUSTER_ID] ?? "";
}

function isNorthboundReference(table: string, column: string): boolean {
  return isReference(OVN_NB, table, column);
}

/** The domain names in policies whose addresses only the controller knows, from the cluster's DNS. */
function unknownDomains(facts: FactStore): readonly string[] {
  const names = facts.all("groups").flatMap(({ group }) => (group.kind === "domain" ? [group.domain] : []));
  const unknown = names.filter((name) => facts.by("nameResolvers", "domain", name).length === 0);
  if (unknown.length === 0) return [];
  return [
    `rules for ${unknown.join(", ")} are treated as matching no address: only the controller knows the answers of the DNS (Address_Set rows named weft.domain.*)`,
  ];
}

/**
 * The controller's settings that matter to reachability, derived from objects: the default subnet is marked, and the
 * nodes name the join subnet.
 */
function clusterOf(objects: ClusterObjects): ClusterFact {
  const specs = [...(objects.get("subnetSpecs")?.values() ?? [])].map(({ metadata, spec }) => ({
    name: metadata.name,
    ...(spec as { readonly default?: boolean; readonly vpc?: string } | undefined),
  }));
  const chosen = specs.find((subnet) => subnet.default === true);
  const joins = [...(objects.get("nodes")?.values() ?? [])].flatMap(
    ({ metadata }) => metadata.annotations?.[NODE.logicalSwitch] ?? [],
  );
  return {
    key: "cluster",
    router: chosen?.vpc || DEFAULT_VPC,
    defaultSubnet: chosen?.name ?? DEFAULT_SUBNET,
    joinSubnet: joins[0] ?? JOIN_SUBNET,
    serviceCidr: {},
    // No object has the node networks that the controller uses.
    nodeRanges: ["0.0.0.0/0", "::/0"],
    // No object has the controller's flag; nearly all clusters use the default.
    nodePorts: DEFAULT_NODE_PORTS,
    keepVmIp: keepsVmIps(objects),
  };
}

/** Whether virtual machines keep their addresses: otherwise records are named after their pods. */
function keepsVmIps(objects: ClusterObjects): boolean {
  const pods = [...(objects.get("pods")?.values() ?? [])];
  return !pods.some(({ metadata: { name, namespace = "default", ownerReferences = [] } }) => {
    const ofMachine = ownerReferences.some(({ kind }) => kind === "VirtualMachineInstance");
    return ofMachine && objects.get("ips")?.has(podPortName(name, namespace, OVN_PROVIDER));
  });
}

/** An object without the fields that no projection reads, which are half of it. */
function slim(object: KubeObject): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata as KubeObject["metadata"] & { managedFields?: unknown };
  return { ...object, metadata };
}
