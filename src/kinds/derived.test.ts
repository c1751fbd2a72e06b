// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import t from "tap";
import { conditionsIn } from "../compile/effects.ts";
import { subnetUnit } from "../compile/subnet/subnet.ts";
import { addIp, addNode, addVpc, sampleFacts } from "../compile/testing/sample-facts.ts";
import { ACCEPTED_ANNOTATION, readAcceptedSubnet, writeAcceptedSubnet } from "../facts/accepted.ts";
import { projectSubnet } from "../facts/project-subnet.ts";
import type { FactStore } from "../facts/store.ts";
import type { SubnetSpecFact } from "../facts/subnet.ts";
import { DerivedFacts } from "./derived.ts";

/** A cluster whose subnets follow what is written into their specs, and the controller's annotation, as when it runs. */
function cluster() {
  const facts = sampleFacts();
  const derived = new DerivedFacts(facts);
  derived.follow();
  derived.start();
  const annotations = new Map<string, string>();
  const specs = new Map<string, NonNullable<Parameters<typeof projectSubnet>[0]["spec"]>>();
  const seen = (name: string): void => {
    const text = annotations.get(name);
    const metadata = { name, uid: name, generation: 1, creationTimestamp: name };
    const object = { ...metadata, ...(text !== undefined && { annotations: { [ACCEPTED_ANNOTATION]: text } }) };
    facts.set("subnetSpecs", name, projectSubnet({ metadata: object, spec: specs.get(name) ?? {} }));
  };
  /** `kubectl apply`, and the controller's writes after the commit. */
  const apply = (name: string, spec: NonNullable<Parameters<typeof projectSubnet>[0]["spec"]>): void => {
    specs.set(name, spec);
    seen(name);
    const input = subnetUnit.read(facts, name);
    for (const effect of input === undefined ? [] : subnetUnit.compile(input).effects) {
      const text = effect.kind === "fill" ? effect.annotations?.[ACCEPTED_ANNOTATION] : undefined;
      if (text !== undefined) annotations.set(name, text ?? "");
    }
    seen(name);
  };
  return { facts, apply, annotations };
}

function accepted(facts: FactStore, name: string): readonly (string | undefined)[] {
  const { cidr, gateway } = facts.get("subnets", name) ?? {};
  return [cidr?.v4, gateway?.v4];
}

function condition(facts: FactStore, name: string): object | undefined {
  const input = subnetUnit.read(facts, name);
  return input && conditionsIn(subnetUnit.compile(input).effects)[0];
}

const hold = (facts: FactStore, subnet: string, v4: string): void =>
  addIp(facts, "x.default", { podName: "x", namespace: "default", nodeName: "weft-1", subnet, v4, v6: "" });

t.test("a subnet records its accepted configuration in its annotation, and grows where there is room", async (t) => {
  const { facts, apply, annotations } = cluster();
  apply("s", { cidrBlock: "10.20.0.0/24" });
  t.equal(annotations.get("s"), '10.20.0.0/24 10.20.0.1 {"excludeIps":["10.20.0.1"],"uid":"s"}');
  apply("s", { cidrBlock: "10.20.0.0/23" });
  t.equal(annotations.get("s"), '10.20.0.0/23 10.20.0.1 {"excludeIps":["10.20.0.1"],"uid":"s"}');
  t.same(accepted(facts, "s"), ["10.20.0.0/23", "10.20.0.1"]);
  t.match(condition(facts, "s"), { ready: true, message: "", refused: undefined });
});

t.test(
  "a subnet that would overlap its neighbour, older or younger, keeps its accepted range, and so does the neighbour",
  async (t) => {
    for (const [grows, other] of [
      ["1-older", "2-younger"],
      ["2-younger", "1-older"],
    ] as const) {
      const { facts, apply, annotations } = cluster();
      apply(grows, { cidrBlock: "10.20.0.0/24" });
      apply(other, { cidrBlock: "10.20.1.0/24" });
      apply(grows, { cidrBlock: "10.20.0.0/23" });
      t.same(accepted(facts, grows), ["10.20.0.0/24", "10.20.0.1"]);
      t.same(accepted(facts, other), ["10.20.1.0/24", "10.20.1.1"]);
      t.match(facts.get("verdicts", other), { ok: true, refused: undefined });
      t.match(condition(facts, grows), {
        ready: true,
        message: /the last accepted cidrBlock 10\.20\.0\.0\/24 and gateway 10\.20\.0\.1 stay active/,
        refused: {
          reason: "SubnetConflict",
          message: `spec.cidrBlock 10.20.0.0/23 overlaps 10.20.1.0/24 of subnet ${other} in VPC ovn-cluster; choose a range that no other subnet has`,
        },
      });
      t.match(annotations.get(grows), /^10\.20\.0\.0\/24 10\.20\.0\.1 /);
      facts.set("subnetSpecs", other, undefined);
      t.same(accepted(facts, grows), ["10.20.0.0/23", "10.20.0.1"], "as soon as the other is gone");
      t.equal(facts.get("subnets", other), undefined);
      t.equal(facts.get("verdicts", other), undefined);
    }
  },
);

t.test("a new range without an address in use is not accepted until the address is released", async (t) => {
  const { facts, apply } = cluster();
  apply("s", { cidrBlock: "10.20.0.0/24" });
  hold(facts, "s", "10.20.0.200");
  apply("s", { cidrBlock: "10.20.0.0/25" });
  t.same(accepted(facts, "s"), ["10.20.0.0/24", "10.20.0.1"]);
  t.match(condition(facts, "s"), {
    refused: {
      reason: "AddressesInUse",
      message:
        "spec.cidrBlock 10.20.0.0/25 does not contain 10.20.0.200, which is in use by IP x.default; choose a range that contains all addresses in use, or delete their owners",
    },
  });
  const another = { podName: "a", namespace: "default", nodeName: "weft-1", subnet: "s", v6: "" };
  addIp(facts, "a.default", { ...another, v4: "10.20.0.201" });
  const message = /does not contain 10\.20\.0\.201, which is in use by IP a\.default \(and 1 more/;
  t.match(condition(facts, "s"), { refused: { message } }, "a new controller comes to the same result");
  facts.set("ips", "a.default", undefined);
  facts.set("ips", "x.default", undefined);
  t.same(accepted(facts, "s"), ["10.20.0.0/25", "10.20.0.1"]);
});

t.test("an address that was allocated before the subnet's range was recorded keeps that range accepted", async (t) => {
  for (const recorded of [undefined, "10.20.0.0/28 10.20.0.1"]) {
    const { facts } = cluster();
    const write = (cidrBlock: string, excludeIps: readonly string[] = []): void => {
      const annotations = recorded === undefined ? {} : { [ACCEPTED_ANNOTATION]: recorded };
      const spec = { cidrBlock, excludeIps: [...excludeIps] };
      facts.set("subnetSpecs", "s", projectSubnet({ metadata: { name: "s", uid: "s", annotations }, spec }));
    };
    write("10.20.0.0/27", ["10.20.0.5"]);
    hold(facts, "s", "10.20.0.17");
    const before = facts.get("subnets", "s");
    write("10.20.0.0/33", ["mistake"]);
    t.same(facts.get("subnets", "s")?.excludeIps, before?.excludeIps, "with the exclusions that counted");
    for (const later of ["10.20.0.0/28", "10.20.0.0/33", "10.20.0.0/28"]) {
      write(later);
      t.same(accepted(facts, "s"), ["10.20.0.0/27", "10.20.0.1"], later);
      t.match(facts.get("verdicts", "s"), { ok: true, refused: {} });
    }
    t.match(facts.get("verdicts", "s")?.refused, { reason: "AddressesInUse" });
    facts.set("ips", "x.default", undefined);
    t.same(accepted(facts, "s"), ["10.20.0.0/28", "10.20.0.1"], "until it is released");
    t.equal(facts.get("verdicts", "s")?.refused, undefined);
  }
});

t.test("a new subnet with the same name does not use the former one's range", async (t) => {
  const { facts } = cluster();
  const write = (uid: string, cidrBlock: string): void =>
    void facts.set("subnetSpecs", "s", projectSubnet({ metadata: { name: "s", uid }, spec: { cidrBlock } }));
  write("1", "10.20.0.0/27");
  hold(facts, "s", "10.20.0.17");
  write("2", "10.20.0.0/28");
  t.same(accepted(facts, "s"), ["10.20.0.0/28", "10.20.0.1"]);
});

t.test("a gateway does not take a pod's address", async (t) => {
  const { facts, apply } = cluster();
  apply("s", { cidrBlock: "10.20.0.0/24" });
  hold(facts, "s", "10.20.0.9");
  apply("s", { cidrBlock: "10.20.0.0/24", gateway: "10.20.0.9" });
  t.same(accepted(facts, "s"), ["10.20.0.0/24", "10.20.0.1"]);
  t.match(condition(facts, "s"), {
    refused: { message: "spec.gateway 10.20.0.9 is in use by IP x.default; choose an address that is not in use" },
  });
  apply("s", { cidrBlock: "10.20.0.0/24", gateway: "10.20.0.8" });
  t.same(accepted(facts, "s"), ["10.20.0.0/24", "10.20.0.8"]);
});

t.test("a new node with an address of a subnet does not make the subnet unusable", async (t) => {
  const { facts, apply } = cluster();
  apply("s", { cidrBlock: "10.20.0.0/24" });
  addNode(facts, "late", "10.20.0.77");
  t.same(accepted(facts, "s"), ["10.20.0.0/24", "10.20.0.1"]);
  t.match(condition(facts, "s"), { ready: true, refused: { reason: "NodeConflict", message: /10\.20\.0\.77.*late/ } });
});

t.test("a subnet of a VPC that does not exist waits for it, and its condition says so", async (t) => {
  const { facts, apply } = cluster();
  apply("s", { cidrBlock: "10.20.0.0/24", vpc: "team" });
  t.match(condition(facts, "s"), {
    ready: false,
    reason: "VpcUnknown",
    message: 'VPC "team" (spec.vpc) does not exist; create it, or recreate the subnet in another VPC',
  });
  addVpc(facts, "team", {});
  t.match(condition(facts, "s"), { ready: true });
});

t.test("an invalid spec is not accepted, and a corrected one is", async (t) => {
  const { facts, apply } = cluster();
  apply("s", { cidrBlock: "10.20.0.0/24", excludeIps: ["10.20.0.5"] });
  apply("s", { cidrBlock: "10.20.0.0/240" });
  t.same(accepted(facts, "s"), ["10.20.0.0/24", "10.20.0.1"]);
  t.match(condition(facts, "s"), { ready: true, refused: { reason: "InvalidCIDR" } });
  const input = subnetUnit.read(facts, "s");
  t.notOk(
    input && subnetUnit.compile(input).effects.some((effect) => effect.kind === "fill" && effect.spec !== undefined),
    "nothing is filled in",
  );
  apply("s", { cidrBlock: "10.20.0.0/22" });
  t.same(accepted(facts, "s"), ["10.20.0.0/22", "10.20.0.1"]);
});

t.test("a subnet from which IPAM cannot allocate is not accepted, and says why", async (t) => {
  for (const [spec, reason, message] of [
    [{ cidrBlock: "127.0.0.0/24" }, "CidrNotUnicast", /overlaps 127\.0\.0\.0\/8/],
    [{ cidrBlock: "fe80::/64" }, "CidrNotUnicast", /link-local/],
    [{ cidrBlock: "10.20.0.0/24", gateway: "10.20.0.255" }, "GatewayIsReserved", /name one from 10\.20\.0\.1/],
    [{ cidrBlock: "fd00:201::/112", gateway: "fd00:201::" }, "GatewayIsReserved", /name one from fd00:201::1/],
  ] as const) {
    const { facts, apply } = cluster();
    apply("s", spec);
    t.match(condition(facts, "s"), { ready: false, reason, message }, JSON.stringify(spec));
    apply("s", { cidrBlock: "10.20.0.0/24" });
    apply("s", spec);
    t.same(accepted(facts, "s"), ["10.20.0.0/24", "10.20.0.1"], "and as an edit it does not count");
    t.match(condition(facts, "s"), { ready: true, refused: { reason, message } });
  }
});

t.test("invalid exclusions leave the accepted ones active, with their range", async (t) => {
  const { facts, apply, annotations } = cluster();
  const excludes = () => facts.get("subnets", "s")?.excludeIps;
  const good = ["10.20.0.1", "10.20.0.2..10.20.0.3", "fd00:20::1", "fd00:20::2..fd00:20::9"];
  const cidrBlock = "10.20.0.0/24,fd00:20::/112";
  apply("s", { cidrBlock, excludeIps: good });
  const bad = { excludeIps: [...good, "fd00:20::1:0..fd00:20::ff"], natOutgoing: true };
  for (const spec of [
    { ...bad, cidrBlock },
    { ...bad, cidrBlock: "10.20.0.0/23,fd00:20::/112" },
  ]) {
    apply("s", spec);
    t.same(excludes(), good);
    t.same(accepted(facts, "s"), ["10.20.0.0/24", "10.20.0.1"]);
    t.equal(facts.get("subnets", "s")?.natOutgoing, true, "what can be read counts");
    t.match(condition(facts, "s"), {
      ready: true,
      refused: { reason: "InvalidExcludeIps", message: /spec\.excludeIps has "fd00:20::1:0\.\.fd00:20::ff"/ },
    });
  }
  // A record of an earlier version does not have them: then all may be meant.
  annotations.set("s", "10.20.0.0/24,fd00:20::/112 10.20.0.1,fd00:20::1");
  apply("s", { ...bad, cidrBlock });
  t.same(excludes(), ["10.20.0.0/24", "fd00:20::/112"]);
  apply("s", { cidrBlock, excludeIps: good.slice(1) });
  t.same(excludes(), good, "the gateways are among them");
  apply("s", { cidrBlock: "10.20.0.0/240", excludeIps: ["10.20.0.5"] });
  t.same(excludes(), ["10.20.0.5"], "a range that cannot be read does not keep exclusions from counting");
});

t.test("invalid namespace selectors leave the accepted ones active", async (t) => {
  const { facts, apply } = cluster();
  const [a, b] = [
    { matchLabels: { team: "a" } },
    { matchExpressions: [{ key: "team", operator: "in", values: ["b"] }] },
  ];
  const cidrBlock = "10.20.0.0/24";
  apply("s", { cidrBlock, namespaceSelectors: [b] });
  t.match(condition(facts, "s"), {
    ready: false,
    reason: "InvalidSelector",
    message:
      'spec.namespaceSelectors[0]: operator "in" for label team is not known; In, NotIn, Exists and DoesNotExist are',
  });
  apply("s", { cidrBlock, namespaceSelectors: [a] });
  apply("s", { cidrBlock, namespaceSelectors: [b], gateway: "10.20.0.9" });
  t.same(facts.get("subnets", "s")?.namespaceSelectors, [a]);
  t.same(accepted(facts, "s"), ["10.20.0.0/24", "10.20.0.9"], "what can be read counts");
  t.match(condition(facts, "s"), { ready: true, refused: { reason: "InvalidSelector" } });
});

t.test("a subnet among the addresses of Services is refused, unless it has nothing to do with them", async (t) => {
  const { facts, apply } = cluster();
  addVpc(facts, "team", {});
  const message =
    "spec.cidrBlock 10.100.0.0/24 overlaps 10.96.0.0/12, the addresses of Services; choose a range outside it";
  apply("s", { cidrBlock: "10.100.0.0/24" });
  t.match(condition(facts, "s"), { ready: false, reason: "ServiceConflict", message });
  apply("s", { cidrBlock: "10.100.0.0/24", vpc: "team" });
  t.match(condition(facts, "s"), { ready: false, reason: "ServiceConflict" });
  apply("s", { cidrBlock: "10.100.0.0/24", vpc: "team", enableLb: false });
  t.match(condition(facts, "s"), { ready: true });
  apply("other", { cidrBlock: "10.101.0.0/24", provider: "macvlan.default" });
  t.match(condition(facts, "other"), { ready: true }, "another plugin's network");
});

t.test("a new subnet is settled only together with subnets that it overlaps", async (t) => {
  const { facts } = cluster();
  const add = (name: string, cidrBlock: string): void => {
    const metadata = { name, uid: name, generation: 1, creationTimestamp: name };
    facts.set("subnetSpecs", name, projectSubnet({ metadata, spec: { cidrBlock } }));
  };
  for (let n = 0; n < 30; n++) add(`s${n}`, `10.30.${n}.0/24`);
  let settled = 0;
  const set = facts.set.bind(facts);
  facts.set = (kind, key, fact) => {
    if (kind === "verdicts") settled++;
    return set(kind, key, fact);
  };
  add("t0", "10.31.0.0/24");
  t.equal(settled, 1);
  add("t1", "10.30.7.0/25");
  t.equal(settled, 3);
  t.match(condition(facts, "t1"), { ready: false, reason: "SubnetConflict" });
});

t.test("listeners are notified only when all subnets are settled", async (t) => {
  const { facts, apply } = cluster();
  apply("1-first", { cidrBlock: "10.20.0.0/24" });
  apply("2-second", { cidrBlock: "10.20.1.0/24" });
  apply("1-first", { cidrBlock: "10.20.0.0/23" });
  // The second one moves, and at the same time the first one grows into its range.
  const both: string[] = [];
  facts.subscribe(() => {
    const open = facts.all("subnets").filter((subnet) => facts.get("verdicts", subnet.name)?.ok);
    const [a, b] = ["1-first", "2-second"].map((name) => open.find((subnet) => subnet.name === name)?.cidr.v4);
    if (a === "10.20.0.0/23" && b === "10.20.1.0/24") both.push("both have 10.20.1.0/24");
  });
  apply("2-second", { cidrBlock: "10.20.9.0/24" });
  t.same(accepted(facts, "1-first"), ["10.20.0.0/23", "10.20.0.1"]);
  t.same(both, []);
});

t.test("the annotation is read as it was written, and anything else is ignored", async (t) => {
  const fact = projectSubnet({
    metadata: { name: "s", uid: "s" },
    spec: { cidrBlock: "10.20.0.0/24,fd00:20::/112" },
  }) satisfies SubnetSpecFact;
  const { uid, cidr, gateway, excludeIps, namespaceSelectors } = fact;
  const text = '10.20.0.0/24,fd00:20::/112 10.20.0.1,fd00:20::1 {"excludeIps":["10.20.0.1","fd00:20::1"],"uid":"s"}';
  t.equal(writeAcceptedSubnet(fact), text);
  t.same(readAcceptedSubnet(text), { uid, cidr, gateway, excludeIps, namespaceSelectors });
  t.same(
    readAcceptedSubnet("10.20.0.0/24,fd00:20::/112 10.20.0.1,fd00:20::1"),
    { cidr, gateway },
    "of an earlier version",
  );
  const selectors = [{ matchLabels: { a: "b c" }, matchExpressions: [{ key: "k", operator: "In", values: ["v"] }] }];
  const selecting = { ...fact, namespaceSelectors: selectors };
  t.same(readAcceptedSubnet(writeAcceptedSubnet(selecting))?.namespaceSelectors, selectors);
  const many = Array.from({ length: 4096 }, (_, i) => `fd00:1111:2222:3333:4444:5555:6666:${i}`);
  const long = writeAcceptedSubnet({ ...fact, excludeIps: many });
  t.same(readAcceptedSubnet(long)?.excludeIps, many);
  const digests = many.map((text) => createHash("sha256").update(text).digest("hex"));
  t.equal(
    writeAcceptedSubnet({ ...fact, excludeIps: digests }).split(" ").length,
    2,
    "too long for an annotation: not known later",
  );
  for (const text of [
    "",
    "x",
    "10.20.0.0/24",
    "10.20.0.0/24 fd00::1",
    "10.20.0.0/24 10.20.0.1 more",
    "10.20.0.0/24,fd00::/64 10.20.0.1",
    "10.20.0.0/24 10.20.0.1 {}",
    "10.20.0.0/24 10.20.0.1 []",
    '10.20.0.0/24 10.20.0.1 {"excludeIps":[1]}',
  ])
    t.equal(readAcceptedSubnet(text), undefined, text);
});

t.test(
  "the record of another object, as in a copy or a restored one, does not make a refused spec accepted",
  async (t) => {
    const spec = { cidrBlock: "10.20.0.0/24" };
    const record = (uid: string): string => `10.20.0.0/24 10.20.0.1 ${JSON.stringify({ excludeIps: [], uid })}`;
    const object = (record: string) =>
      projectSubnet({ metadata: { name: "s", uid: "s", annotations: { [ACCEPTED_ANNOTATION]: record } }, spec });
    t.equal(object(record("another")).accepted, undefined);
    t.match(object(record("s")).accepted, { cidr: { v4: "10.20.0.0/24" } });
    t.match(object("10.20.0.0/24 10.20.0.1").accepted, { cidr: { v4: "10.20.0.0/24" } }, "of an earlier version");
  },
);
