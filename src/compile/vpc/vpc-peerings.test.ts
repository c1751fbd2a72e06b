// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { SubnetSpec } from "../../api/generated/subnet.ts";
import type { VpcSpec } from "../../api/generated/vpc.ts";
import { ACCEPTED_ANNOTATION, recordAnnotations } from "../../facts/accepted.ts";
import { projectSubnet } from "../../facts/project-subnet.ts";
import { projectVpc } from "../../facts/project-vpc.ts";
import { DerivedFacts } from "../../kinds/derived.ts";
import { conditionsIn, type WeftEffect } from "../effects.ts";
import { subnetUnit } from "../subnet/subnet.ts";
import { sampleFacts } from "../testing/sample-facts.ts";
import { vpcUnit } from "./vpc.ts";

/**
 * A cluster to which VPCs and Subnets are applied, and in which the controller's records are written after each
 * commit.
 */
function cluster() {
  const facts = sampleFacts();
  const derived = new DerivedFacts(facts);
  derived.follow();
  derived.start();
  const records = new Map<string, string>();
  const specs = new Map<string, { kind: "vpc" | "subnet"; spec: object; deleted: boolean }>();
  const set = (name: string): void => {
    const { kind, spec, deleted } = specs.get(name) ?? { kind: "vpc", spec: {}, deleted: false };
    const text = records.get(name);
    const metadata = {
      ...{ name, uid: `uid-${name}`, generation: 1, creationTimestamp: "2026-01-01T00:00:00Z" },
      ...(text !== undefined && { annotations: recordAnnotations(text) }),
      ...(deleted && { deletionTimestamp: "2026-01-02T00:00:00Z", finalizers: ["kubeovn.io/kube-ovn-controller"] }),
    };
    if (kind === "vpc") facts.set("vpcs", name, projectVpc({ metadata, spec }, "ovn-cluster"));
    else facts.set("subnetSpecs", name, projectSubnet({ metadata, spec }));
  };
  const compile = (name: string) => {
    const kind = specs.get(name)?.kind;
    const vpc = kind === "vpc" ? vpcUnit.read(facts, name) : undefined;
    const subnet = kind === "subnet" ? subnetUnit.read(facts, name) : undefined;
    return vpc ? vpcUnit.compile(vpc) : subnet && subnetUnit.compile(subnet);
  };
  /** Until nothing more is written. */
  const record = (): void => {
    for (let again = true; again; ) {
      again = false;
      for (const name of specs.keys()) {
        for (const text of compile(name)?.effects.flatMap(recordOf) ?? []) {
          if (records.get(name) === text) continue;
          records.set(name, text);
          set(name);
          again = true;
        }
      }
    }
  };
  return {
    facts,
    vpc(name: string, spec: Partial<VpcSpec>, deleted = false): void {
      specs.set(name, { kind: "vpc", spec, deleted });
      set(name);
      record();
    },
    subnet(name: string, vpc: string, cidrBlock: string, more: Partial<SubnetSpec> = {}): void {
      specs.set(name, { kind: "subnet", spec: { vpc, cidrBlock, ...more }, deleted: false });
      set(name);
      record();
    },
    condition: (name: string) => conditionsIn(compile(name)?.effects ?? [])[0],
    ports: (name: string) =>
      (compile(name)?.rows ?? []).flatMap(({ table, columns }) =>
        table === "Logical_Router_Port" && columns["peer"] !== undefined ? [columns] : [],
      ),
    rows: (name: string) => compile(name)?.rows ?? [],
  };
}

function recordOf(effect: WeftEffect): readonly string[] {
  const text = effect.kind === "fill" ? effect.annotations?.[ACCEPTED_ANNOTATION] : undefined;
  return typeof text === "string" ? [text] : [];
}

const peering = (remoteVpc: string, localConnectIP: string): Partial<VpcSpec> => ({
  vpcPeerings: [{ remoteVpc, localConnectIP }],
});

/** Two peered VPCs with a subnet each. */
function peered() {
  const world = cluster();
  world.vpc("a", peering("b", "169.254.0.1/30"));
  world.vpc("b", peering("a", "169.254.0.2/30"));
  world.subnet("web", "a", "10.1.0.0/24");
  world.subnet("db", "b", "10.2.0.0/24");
  return world;
}

t.test("a peering that both VPCs name is a port of each router that names the other's", async (t) => {
  const { ports, condition } = peered();
  t.match(ports("a"), [{ name: "a-b", peer: "b-a", networks: ["169.254.0.1/30"] }]);
  t.match(ports("b"), [{ name: "b-a", peer: "a-b", networks: ["169.254.0.2/30"] }]);
  t.not(ports("a")[0]?.["mac"], ports("b")[0]?.["mac"]);
  t.match(condition("a"), { ready: true, reason: "Ready", message: "", status: { vpcPeerings: ["b"] } });
});

t.test(
  "a peering with a VPC that does not exist, or that does not name this one, waits and names what is missing",
  async (t) => {
    const { vpc, ports, condition } = cluster();
    vpc("a", peering("b", "169.254.0.1/30"));
    t.same(ports("a"), []);
    t.match(condition("a"), { ready: true, reason: "VpcNotFound", status: { vpcPeerings: [] } });
    vpc("b", {});
    t.same(ports("a"), []);
    t.match(condition("a"), {
      ready: true,
      reason: "PeeringIncomplete",
      message:
        /VPC "b" has no peering with this VPC.*remoteVpc a and as localConnectIP another address of 169\.254\.0\.0\/30/,
    });
    vpc("b", peering("a", "169.254.0.2/30"));
    t.equal(ports("a").length, 1);
    t.match(condition("a"), { reason: "Ready" });
    vpc("b", {});
    t.same(ports("a"), [], "and it ends with either side's entry");
  },
);

t.test("an invalid peering is refused with a reason, and another one of the VPC is active", async (t) => {
  const good = { remoteVpc: "c", localConnectIP: "169.254.1.1/30" };
  for (const [bad, theirs, reason, message] of [
    [{ remoteVpc: "a", localConnectIP: "169.254.0.1/30" }, "", "InvalidPeering", /cannot be peered with itself/],
    [{ remoteVpc: "", localConnectIP: "169.254.0.1/30" }, "", "InvalidPeering", /"" is not the name of a VPC/],
    [{ remoteVpc: "b", localConnectIP: "169.254.0.1" }, "", "InvalidPeering", /not an address with a prefix length/],
    [{ remoteVpc: "b", localConnectIP: "169.254.0.1/32" }, "", "InvalidPeering", /no address for the other router/],
    [{ remoteVpc: "b", localConnectIP: "169.254.0.0/30" }, "", "InvalidPeering", /network's own/],
    [
      { remoteVpc: "b", localConnectIP: "10.9.0.1/30,10.9.1.1/30" },
      "",
      "InvalidPeering",
      /two addresses of one family/,
    ],
    [{ remoteVpc: "c", localConnectIP: "169.254.2.1/30" }, "", "InvalidPeering", /is a peering with VPC "c" already/],
    [
      { remoteVpc: "b", localConnectIP: "169.254.1.2/29" },
      "",
      "PeeringConflict",
      /in the network of spec.vpcPeerings.0./,
    ],
    [{ remoteVpc: "b", localConnectIP: "169.254.0.1/30" }, "169.254.9.2/30", "PeeringMismatch", /different networks/],
    [{ remoteVpc: "b", localConnectIP: "169.254.0.1/30" }, "169.254.0.1/30", "PeeringMismatch", /the same address/],
    [
      { remoteVpc: "b", localConnectIP: "169.254.0.1/30" },
      "169.254.0.2/30,fd00::2/126",
      "PeeringMismatch",
      /same address families/,
    ],
    [
      { remoteVpc: "b", localConnectIP: "169.254.169.10/16" },
      "169.254.0.2/16",
      "PeeringConflict",
      /169\.254\.169\.10 is reserved for kubelet's probes/,
    ],
    [{ remoteVpc: "b", localConnectIP: "fd69::9/126" }, "fd69::a/126", "PeeringConflict", /reserved for kubelet's/],
    [{ remoteVpc: "b", localConnectIP: "10.1.0.129/30" }, "10.1.0.130/30", "PeeringConflict", /overlaps subnet web/],
    [{ remoteVpc: "b", localConnectIP: "10.2.0.129/30" }, "10.2.0.130/30", "PeeringConflict", /overlaps subnet db/],
  ] as const) {
    const { vpc, subnet, ports, condition } = cluster();
    subnet("web", "a", "10.1.0.0/24");
    subnet("db", "b", "10.2.0.0/24");
    vpc("a", { vpcPeerings: [good, bad] });
    vpc("b", peering("a", theirs || "169.254.0.2/30"));
    vpc("c", peering("a", "169.254.1.2/30"));
    t.same(
      ports("a").map(({ name }) => name),
      ["a-c"],
      reason,
    );
    t.same(ports("b"), [], "the other side has the same result");
    t.match(condition("a"), { ready: true, refused: { reason, message }, status: { vpcPeerings: ["c"] } });
  }
});

t.test("an invalid edit leaves the peering unchanged, until both sides match again", async (t) => {
  const { vpc, ports, condition } = peered();
  for (const address of ["169.254.0.9/29", "nonsense", "169.254.0.2/30"]) {
    vpc("a", peering("b", address));
    t.match(ports("a"), [{ networks: ["169.254.0.1/30"] }], address);
    t.match(ports("b"), [{ networks: ["169.254.0.2/30"] }], address);
    t.match(condition("a"), { ready: true, refused: { message: /the last accepted peering stays active/ } });
  }
  vpc("a", peering("b", "169.254.7.1/30"));
  t.match(ports("a"), [{ networks: ["169.254.0.1/30"] }]);
  vpc("b", peering("a", "169.254.7.2/30"));
  t.match(ports("a"), [{ networks: ["169.254.7.1/30"] }]);
  t.match(ports("b"), [{ networks: ["169.254.7.2/30"] }]);
  t.match(condition("a"), { reason: "Ready" });
});

t.test("a peering that is active keeps its network, whatever the spec names before it", async (t) => {
  const [b, c] = [
    { remoteVpc: "b", localConnectIP: "169.254.0.1/30" },
    { remoteVpc: "c", localConnectIP: "169.254.0.1/30" },
  ];
  for (const entries of [
    [c, b],
    [b, c],
    [{ ...b, localConnectIP: "169.254.9.1/30" }, c],
    [c, { ...b, localConnectIP: "nonsense" }],
    [{ ...c, localConnectIP: "169.254.0.1/29" }, b],
  ]) {
    const { vpc, ports, condition, facts } = peered();
    const staticRoutes = [{ cidr: "10.2.0.0/24", nextHopIP: "169.254.0.2" }];
    vpc("c", peering("a", "169.254.0.2/30"));
    vpc("a", { staticRoutes, vpcPeerings: entries });
    t.match(ports("a"), [{ name: "a-b", networks: ["169.254.0.1/30"] }], JSON.stringify(entries));
    t.match(ports("b"), [{ name: "b-a", networks: ["169.254.0.2/30"] }]);
    t.same(ports("c"), []);
    const why = /169\.254\.0\.1\/(29|30) is in the network of spec\.vpcPeerings\[\d\], the peering with VPC "b"/;
    t.match(condition("a"), { refused: { message: why }, status: { vpcPeerings: ["b"] } });
    t.match(facts.get("vpcs", "a")?.former, { staticRoutes: [{ nextHopIp: "169.254.0.2" }] }, "other records stay");
  }
});

t.test("a peering replaces another one with the same network in one edit", async (t) => {
  const { vpc, ports, condition } = peered();
  vpc("c", peering("a", "169.254.0.2/30"));
  vpc("a", peering("c", "169.254.0.1/30"));
  t.match(ports("a"), [{ name: "a-c" }]);
  t.match(ports("c"), [{ name: "c-a" }]);
  t.match(condition("a"), { reason: "Ready" });
});

t.test("VPCs with overlapping subnets cannot be peered, and both name the other's subnet", async (t) => {
  const { vpc, subnet, ports, condition } = cluster();
  subnet("web", "a", "10.1.0.0/24,fd00:1::/64");
  subnet("db", "b", "10.2.0.0/24,fd00:1::/64");
  vpc("a", {});
  vpc("b", {});
  vpc("a", peering("b", "169.254.0.1/30"));
  vpc("b", peering("a", "169.254.0.2/30"));
  t.same([...ports("a"), ...ports("b")], []);
  t.match(condition("a"), {
    ready: true,
    refused: {
      reason: "PeeringConflict",
      message: /subnet web \(fd00:1::\/64\) overlaps subnet db \(fd00:1::\/64\) of VPC "b"/,
    },
  });
  t.match(condition("b"), { refused: { reason: "PeeringConflict", message: /overlaps subnet web/ } });
  t.match(condition("web"), { ready: true, reason: "Ready" }, "the subnets stay");
});

t.test("a new subnet that overlaps one of a peered VPC is refused, and the peering stays", async (t) => {
  const { vpc, subnet, ports, condition, facts } = peered();
  subnet("late", "b", "10.1.0.128/25");
  t.match(facts.get("verdicts", "late"), {
    ok: false,
    reason: "SubnetConflict",
    message: /overlaps 10\.1\.0\.0\/24 of subnet web in VPC a, with which VPC b is peered/,
  });
  t.equal(ports("b").length, 1);
  t.match(condition("a"), { reason: "Ready" });
  subnet("db", "b", "10.0.0.0/14");
  t.match(facts.get("verdicts", "db"), { ok: true, refused: { reason: "SubnetConflict" } });
  t.equal(ports("a").length, 1);
  subnet("db", "b", "10.2.0.0/24");
  vpc("a", peering("b", "10.200.0.1/30"));
  vpc("b", peering("a", "10.200.0.2/30"));
  subnet("link", "a", "10.200.0.0/24");
  t.match(facts.get("verdicts", "link"), { ok: false, message: /the network of the peering of VPC a with VPC b/ });
  vpc("a", {});
  t.match([facts.get("verdicts", "late"), facts.get("verdicts", "link")], [{ ok: true }, { ok: true }]);
});

t.test("subnets of VPCs that are not peered may overlap, also where both are peered with a third", async (t) => {
  const { vpc, subnet, ports, facts } = peered();
  vpc("c", peering("b", "169.254.3.1/30"));
  vpc("b", {
    vpcPeerings: [
      { remoteVpc: "a", localConnectIP: "169.254.0.2/30" },
      { remoteVpc: "c", localConnectIP: "169.254.3.2/30" },
    ],
  });
  subnet("twin", "c", "10.1.0.0/24");
  t.match(facts.get("verdicts", "twin"), { ok: true, refused: undefined });
  t.equal(ports("b").length, 2);
});

t.test("a peered VPC is deleted when the other one removes the peering, or is deleted as well", async (t) => {
  const { vpc, condition, rows } = cluster();
  const [a, b] = [peering("b", "169.254.0.1/30"), peering("a", "169.254.0.2/30")];
  vpc("a", a);
  vpc("b", b);
  vpc("a", a, true);
  t.match(condition("a"), {
    ready: false,
    reason: "InUse",
    message: "waiting for peerings with it to be removed from VPCs: b",
  });
  t.not(rows("a").length, 0);
  vpc("b", b, true);
  t.same([rows("a"), rows("b")], [[], []]);
  vpc("b", {});
  t.same(rows("a"), []);
});

t.test("packets from a peer with an address of the VPC's own subnets are dropped", async (t) => {
  const { rows } = peered();
  const drops = rows("a").filter(({ table }) => table === "Logical_Router_Policy");
  t.match(
    drops.map(({ columns }) => columns),
    [{ priority: 32767, action: "drop", match: 'inport == "a-b" && ip4.src == {10.1.0.0/24}' }],
  );
});

t.test("the port of a peering loses its name to a subnet's, on both sides", async (t) => {
  const { vpc, subnet, ports } = cluster();
  vpc("a", peering("b-c", "169.254.0.1/30"));
  vpc("b-c", peering("a", "169.254.0.2/30"));
  vpc("a-b", {});
  t.match(ports("b-c"), [{ name: "b-c-a", peer: "a-b-c" }]);
  subnet("c", "a-b", "10.7.0.0/24");
  const [port] = ports("a");
  t.match(port?.["name"], /^a-b-c_[0-9a-f]{20}$/);
  t.match(ports("b-c"), [{ name: "b-c-a", peer: port?.["name"] }]);
});
