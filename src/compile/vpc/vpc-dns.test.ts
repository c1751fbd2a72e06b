// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { projectSwitchLbRule } from "../../facts/project-switch-lb-rule.ts";
import { projectDnsDeployment, projectVpcDns } from "../../facts/project-vpc-dns.ts";
import type { FactStore } from "../../facts/store.ts";
import { conditionsIn, type MakeObjectEffect, type WeftEffect } from "../effects.ts";
import { addDnsConfig, addSubnet, addVpc, sampleFacts } from "../testing/sample-facts.ts";
import { vpcDnsUnit } from "./vpc-dns.ts";

function addDns(facts: FactStore, name: string, created = "2026-01-01T00:00:00Z", spec = {}): void {
  const metadata = { name, uid: `uid-${name}`, generation: 1, creationTimestamp: created };
  facts.set("vpcDnses", name, projectVpcDns({ metadata, spec: { vpc: "team", subnet: "shop", ...spec } }));
}

function sample(): FactStore {
  const facts = sampleFacts();
  addVpc(facts, "team", {});
  addSubnet(facts, "shop", { cidrBlock: "10.30.0.0/24", vpc: "team" });
  addDnsConfig(facts);
  addDns(facts, "team");
  return facts;
}

function effects(facts: FactStore, name = "team"): readonly WeftEffect[] {
  const input = vpcDnsUnit.read(facts, name);
  return input === undefined ? [] : vpcDnsUnit.compile(input).effects;
}

/** Applies the create effects. */
function carryOut(facts: FactStore): void {
  const made = effects(facts).filter((effect): effect is MakeObjectEffect => effect.kind === "make-object");
  for (const { resource, body } of made) {
    const metadata = { ...body.metadata, uid: `uid-${resource}` };
    const object = { ...body, metadata } as never;
    if (resource === "dnsDeployments")
      facts.set(resource, `kube-system/${metadata.name}`, projectDnsDeployment(object));
    else facts.set("switchLbRules", metadata.name, projectSwitchLbRule(object));
  }
}

const reason = (facts: FactStore, name = "team") => conditionsIn(effects(facts, name))[0]?.reason;

t.test(
  "a Deployment in the VPC with a route to the API server, and a SwitchLBRule for its address, once",
  async (t) => {
    const facts = sample();
    const [deployment, rule] = effects(facts);
    t.match(deployment, {
      kind: "make-object",
      body: {
        metadata: {
          name: "vpc-dns-team",
          namespace: "kube-system",
          ownerReferences: [{ kind: "VpcDns", name: "team" }],
        },
        spec: {
          replicas: 2,
          template: {
            metadata: {
              annotations: {
                "ovn.kubernetes.io/logical_switch": "shop",
                "k8s.v1.cni.cncf.io/networks": "default/ovn-nad",
                "ovn-nad.default.ovn.kubernetes.io/logical_switch": "ovn-default",
                "ovn-nad.default.ovn.kubernetes.io/routes": '[{"dst":"10.96.0.1/32","gw":"10.16.0.1"}]',
              },
            },
            spec: {
              containers: [{ image: "coredns:1", env: [{ name: "KUBERNETES_SERVICE_HOST", value: "10.96.0.1" }] }],
            },
          },
        },
      },
    });
    t.match(rule, {
      kind: "make-object",
      body: {
        metadata: { name: "vpc-dns-team", annotations: { "ovn.kubernetes.io/logical_router": "team" } },
        spec: { vip: "10.96.0.3", namespace: "kube-system", selector: ["k8s-app:vpc-dns-team"] },
      },
    });
    carryOut(facts);
    t.match(effects(facts), [{ kind: "condition", ready: true, status: { active: true } }]);
    addDns(facts, "team", undefined, { replicas: 3 });
    t.match(effects(facts), [{ kind: "patch-object", body: { spec: { replicas: 3 } } }, { reason: "Deploying" }]);
    addDns(facts, "team");
    addDnsConfig(facts, { "coredns-vip": "10.96.0.4" });
    t.match(effects(facts), [{ kind: "patch-object", resource: "switchLbRules" }, { reason: "Deploying" }]);
    facts.set("vpcDnsConfigs", "kube-system/vpc-dns-config", undefined);
    t.match(effects(facts), [{ kind: "condition", reason: "ConfigMapNotFound" }], "existing objects stay");
    addDnsConfig(facts, { "enable-vpc-dns": "false" });
    t.match(effects(facts), [{ kind: "drop-object" }, { kind: "drop-object" }, { reason: "NotEnabled" }]);
    facts.set("vpcDnses", "team", undefined);
    t.same(
      effects(facts).map(({ kind }) => kind),
      ["drop-object", "drop-object"],
    );
  },
);

t.test("its condition names what is missing", async (t) => {
  const facts = sample();
  for (const [wrong, said] of [
    [{ "coredns-vip": "dns" }, "InvalidConfig"],
    [{ "coredns-image": "" }, "InvalidConfig"],
    [{ "nad-name": "" }, "InvalidConfig"],
    [{ "nad-name": "none" }, "NetworkNotFound"],
    [{ "k8s-service-host": "" }, "NoRoute"],
  ] as const) {
    addDnsConfig(facts, wrong);
    t.equal(reason(facts), said, JSON.stringify(wrong));
  }
  addDnsConfig(facts);
  addDns(facts, "team", undefined, { vpc: "gone" });
  t.equal(reason(facts), "VpcNotFound");
  addDns(facts, "team", undefined, { subnet: "gone" });
  t.equal(reason(facts), "SubnetNotFound");
  addDns(facts, "team", undefined, { subnet: "ovn-default" });
  t.equal(reason(facts), "SubnetNotFound");
  addDns(facts, "team", "2026-01-02T00:00:00Z");
  addDns(facts, "older");
  t.equal(reason(facts), "VpcHasDns");
  t.equal(reason(facts, "older"), "Deploying");
});

t.test("coredns-vip is one address, or one of each family; two of one family are refused", async (t) => {
  const facts = sample();
  addDnsConfig(facts, { "coredns-vip": "10.96.0.3,10.96.0.4" });
  const condition = conditionsIn(effects(facts))[0];
  t.match(condition, { ready: false, reason: "InvalidConfig" });
  t.match(condition?.message, /coredns-vip "10\.96\.0\.3,10\.96\.0\.4" is not an IP address .* one of each family/);
  addDnsConfig(facts, { "coredns-vip": "10.96.0.3, fd00:10:96::3" });
  carryOut(facts);
  t.equal(reason(facts), "Ready");
});
