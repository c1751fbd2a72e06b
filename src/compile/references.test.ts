// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { subnetsOfNamespace } from "../claims/namespace-subnets.ts";
import { projectAttachment } from "../facts/project-attachment.ts";
import { projectNamespace, projectNode } from "../facts/project-core.ts";
import type { FactStore } from "../facts/store.ts";
import { ipPoolUnit, projectIpPool } from "../kinds/ippool.ts";
import { projectVip } from "../kinds/vip.ts";
import { vipUnit } from "../kinds/vip-unit.ts";
import { type ConditionEffect, conditionsIn, type WeftEffect } from "./effects.ts";
import { podUnit } from "./pod/pod.ts";
import { subnetUnit } from "./subnet/subnet.ts";
import { addPod, addSubnet, addVpc, sampleFacts } from "./testing/sample-facts.ts";
import { vpcUnit } from "./vpc/vpc.ts";

type Condition = ConditionEffect | undefined;

function conditionOf(effects: readonly WeftEffect[] = []): Condition {
  return conditionsIn(effects)[0];
}

function subnet(facts: FactStore, name: string): { condition: Condition; hops: readonly unknown[] } {
  const input = subnetUnit.read(facts, name);
  const { effects, rows } = input === undefined ? { effects: [], rows: [] } : subnetUnit.compile(input);
  const hops = rows.flatMap(({ columns }) => (columns["priority"] === 29000 ? [columns["nexthops"]] : []));
  return { condition: conditionOf(effects), hops };
}

/** A node's readiness, and its labels. */
function setNode(facts: FactStore, name: string, ready: boolean, labels: Record<string, string> = {}): void {
  const conditions = [{ type: "Ready", status: ready ? "True" : "Unknown" }];
  facts.set("nodes", name, projectNode({ metadata: { name, uid: `uid-${name}`, labels }, status: { conditions } }));
}

const centralized = { cidrBlock: "10.30.0.0/24", gatewayType: "centralized" } as const;

t.test(
  "the gateway of a centralized subnet is the first of its nodes that is ready, and its status names it",
  async (t) => {
    const facts = sampleFacts();
    addSubnet(facts, "c", { ...centralized, gatewayNode: "weft-2,weft-1" });
    t.match(subnet(facts, "c"), {
      condition: { ready: true, reason: "Ready", status: { activateGateway: "weft-2" }, notes: undefined },
      hops: [["100.64.0.3"]],
    });
    setNode(facts, "weft-2", false);
    t.match(subnet(facts, "c"), { condition: { status: { activateGateway: "weft-1" } }, hops: [["100.64.0.2"]] });
    setNode(facts, "weft-1", false);
    t.match(
      subnet(facts, "c"),
      {
        condition: {
          ready: true,
          reason: "NoReadyGateway",
          message: /no node of spec\.gatewayNode "weft-2,weft-1" is ready/,
        },
        hops: [["100.64.0.3"]],
      },
      "if none is ready the first is kept",
    );
    setNode(facts, "weft-2", true);
    t.match(subnet(facts, "c"), { condition: { reason: "Ready", status: { activateGateway: "weft-2" } } });
  },
);

t.test(
  "a node without a chassis in OVN is not a gateway while another is one, a former chassis beside its own does not matter",
  async (t) => {
    const facts = sampleFacts();
    addSubnet(facts, "c", { ...centralized, gatewayNode: "weft-2,weft-1" });
    const missing = {
      key: "weft-2",
      reason: "ChassisMissing",
      message: "the southbound database has no chassis c2",
    } as const;
    facts.set("chassisProblems", "weft-2", missing);
    t.match(subnet(facts, "c"), { condition: { status: { activateGateway: "weft-1" } }, hops: [["100.64.0.2"]] });
    facts.set("chassisProblems", "weft-2", { ...missing, reason: "ChassisConflict" });
    t.match(subnet(facts, "c"), { condition: { status: { activateGateway: "weft-2" } }, hops: [["100.64.0.3"]] });
    facts.set("chassisProblems", "weft-2", missing);
    facts.set("chassisProblems", "weft-1", { ...missing, key: "weft-1" });
    t.match(
      subnet(facts, "c"),
      { condition: { reason: "NoReadyGateway", status: { activateGateway: "weft-2" } }, hops: [["100.64.0.3"]] },
      "if none is ready the first is kept",
    );
  },
);

t.test("with ECMP all ready nodes carry traffic, and none of them is the active one", async (t) => {
  const facts = sampleFacts();
  addSubnet(facts, "c", { ...centralized, gatewayNode: "weft-1,weft-2", enableEcmp: true });
  t.match(subnet(facts, "c"), { condition: { status: { activateGateway: "" } }, hops: [["100.64.0.2", "100.64.0.3"]] });
  setNode(facts, "weft-1", false);
  t.match(subnet(facts, "c"), { condition: { reason: "Ready" }, hops: [["100.64.0.3"]] });
});

t.test("a gateway may be selected by labels of nodes", async (t) => {
  const facts = sampleFacts();
  const [yes, broken] = [{ matchLabels: { gw: "yes" } }, { matchExpressions: [{ key: "gw", operator: "exists" }] }];
  addSubnet(facts, "c", { ...centralized, gatewayNodeSelectors: [yes, broken] });
  t.match(subnet(facts, "c").condition, {
    reason: "NoReadyGateway",
    message: /no node of spec\.gatewayNodeSelectors exists/,
  });
  setNode(facts, "weft-2", true, { gw: "yes" });
  t.match(subnet(facts, "c"), {
    condition: { reason: "Ready", status: { activateGateway: "weft-2" } },
    hops: [["100.64.0.3"]],
  });
});

t.test("a gateway that does not exist is in the condition", async (t) => {
  for (const [spec, reason, message] of [
    [
      { gatewayNode: "nosuch" },
      "NoReadyGateway",
      'no node of spec.gatewayNode "nosuch" exists: pods of the subnet have no connectivity outside the VPC',
    ],
    [{}, "NoReadyGateway", /neither spec\.gatewayNode nor spec\.gatewayNodeSelectors names a node/],
    [{ gatewayNode: "nosuch,weft-1" }, "NodeNotFound", "spec.gatewayNode names nodes that do not exist: nosuch"],
  ] as const) {
    const facts = sampleFacts();
    addSubnet(facts, "c", { ...centralized, ...spec });
    t.match(subnet(facts, "c").condition, { ready: true, reason, message, notes: [{ reason }] });
  }
});

t.test("missing namespaces and networks of a subnet are in its condition until they exist", async (t) => {
  const facts = sampleFacts();
  addSubnet(facts, "s", {
    cidrBlock: "10.31.0.0/24",
    namespaces: ["default", "ghost"],
    provider: "net.a.default.ovn",
  });
  const message = 'spec.namespaces names namespaces that do not exist: "ghost"';
  t.match(
    subnet(facts, "s").condition,
    { ready: true, reason: "NamespaceNotFound", message },
    "networks are not served",
  );
  facts.set("served", "attachments", { key: "attachments" });
  facts.set("namespaces", "ghost", projectNamespace({ metadata: { name: "ghost", uid: "uid-ghost" } }));
  t.match(subnet(facts, "s").condition, {
    reason: "NetworkNotFound",
    message: 'spec.provider "net.a.default.ovn" names NetworkAttachmentDefinition default/net.a, which does not exist',
  });
  const metadata = { name: "net.a", namespace: "default", uid: "u" };
  facts.set("attachments", "default/net.a", projectAttachment({ metadata, spec: { config: "{}" } }));
  t.match(subnet(facts, "s").condition, { reason: "Ready", message: "", notes: undefined });
});

t.test("missing objects that a VPC, a pool and a Vip name are in their conditions", async (t) => {
  const facts = sampleFacts();
  const vpc = (name: string): Condition => {
    const input = vpcUnit.read(facts, name);
    return conditionOf(input && vpcUnit.compile(input).effects);
  };
  addVpc(facts, "a", { namespaces: ["default"], defaultSubnet: "nosuch" });
  const lost = "pods of its namespaces get no address from it";
  t.match(vpc("a"), {
    ready: true,
    reason: "SubnetNotFound",
    message: `subnet "nosuch" (spec.defaultSubnet) does not exist: ${lost}`,
  });
  addVpc(facts, "b", { namespaces: ["default", "ghost"], defaultSubnet: "ovn-default" });
  t.match(vpc("b"), {
    reason: "NamespaceNotFound",
    message: `spec.namespaces names namespaces that do not exist: "ghost"; subnet "ovn-default" (spec.defaultSubnet) is in VPC "ovn-cluster": ${lost}; VPC "a" also has these namespaces in spec.namespaces: "default"; the older VPC has them`,
    notes: [{}, {}, { reason: "NamespaceConflict" }],
  });
  t.match(vpc("a"), {
    message: `subnet "nosuch" (spec.defaultSubnet) does not exist: ${lost}; VPC "b" also has these namespaces in spec.namespaces: "default"; this VPC, the older one, has them`,
  });
  facts.set(
    "ipPools",
    "p",
    projectIpPool({
      metadata: { name: "p", uid: "p" },
      spec: { subnet: "ovn-default", ips: ["10.16.0.9"], namespaces: ["ghost"] },
    }),
  );
  facts.set("verdicts", "ippool/p", { key: "ippool/p", ok: true, reason: "Ready", message: "" });
  const pool = ipPoolUnit.read(facts, "p");
  const state = pool && conditionsIn(ipPoolUnit.compile(pool).effects)[0];
  t.match(state, {
    ready: true,
    reason: "NamespaceNotFound",
    message: 'spec.namespaces names namespaces that do not exist: "ghost"',
  });
  const spec = { subnet: "ovn-default", namespace: "ghost", v4ip: "10.16.0.9" };
  facts.set("vips", "v", projectVip({ metadata: { name: "v", uid: "v" }, spec, status: { v4ip: "10.16.0.9" } }));
  const vip = vipUnit.read(facts, "v");
  t.match(vip && conditionsIn(vipUnit.compile(vip).effects)[0], {
    ready: true,
    reason: "NamespaceNotFound",
    message: 'it has 10.16.0.9; spec.namespace names namespaces that do not exist: "ghost"',
  });
});

t.test("a pod that names a missing Vip gets an Event", async (t) => {
  const facts = sampleFacts();
  addPod(facts, "a", { node: "weft-1", annotations: { "ovn.kubernetes.io/aaps": "nosuch" } });
  const input = podUnit.read(facts, "default/a");
  t.match(input && podUnit.compile(input).effects.find((effect) => effect.kind === "report"), {
    reason: "VipNotFound",
    message: /aaps names "nosuch", which is not a Vip of namespace "default"/,
  });
});

t.test("a pod that names a Vip of a subnet in which it has no interface gets an Event", async (t) => {
  const facts = sampleFacts();
  const metadata = { name: "far", uid: "far" };
  const spec = { subnet: "join", namespace: "default", v4ip: "100.64.0.99" };
  facts.set("vips", "far", projectVip({ metadata, spec, status: { v4ip: "100.64.0.99" } }));
  addPod(facts, "a", { node: "weft-1", annotations: { "ovn.kubernetes.io/aaps": "far" } });
  const reports = () => {
    const input = podUnit.read(facts, "default/a");
    return input && podUnit.compile(input).effects.filter((effect) => effect.kind === "report");
  };
  t.match(reports(), [
    {
      reason: "VipInOtherSubnet",
      message: /aaps names Vip "far" of subnet "join", in which the pod has no interface; the pod does not get its/,
    },
  ]);
  facts.set("vips", "far", undefined);
  t.match(reports(), [{ reason: "VipNotFound" }]);
});

t.test("a VPC that names a namespace of an older one does not get its pods, whatever its name", async (t) => {
  const facts = sampleFacts();
  addVpc(facts, "b", { namespaces: ["default"] }, { creationTimestamp: "2026-01-01T00:00:00Z" });
  addSubnet(facts, "of-b", { vpc: "b", cidrBlock: "10.40.0.0/24", default: true });
  addVpc(facts, "a", { namespaces: ["default"] }, { creationTimestamp: "2026-01-02T00:00:00Z" });
  addSubnet(facts, "of-a", { vpc: "a", cidrBlock: "10.41.0.0/24", default: true });
  const names = () => subnetsOfNamespace(facts, "default").map(({ name }) => name);
  t.same(names(), ["of-b"]);
  const later = { creationTimestamp: "2026-01-03T00:00:00Z" };
  addSubnet(facts, "another", { vpc: "b", cidrBlock: "10.42.0.0/24", default: true }, later);
  t.same(names(), ["of-b"], "nor does a second default subnet");
  const input = vpcUnit.read(facts, "b");
  t.match(conditionOf(input && vpcUnit.compile(input).effects), { status: { defaultLogicalSwitch: "of-b" } });
  facts.set("vpcs", "b", undefined);
  t.same(names(), ["of-a"]);
});
