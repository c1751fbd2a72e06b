// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { poolVerdictKey } from "../../claims/verdict-keys.ts";
import { conditionsIn } from "../../compile/effects.ts";
import { addSubnet, sampleFacts } from "../../compile/testing/sample-facts.ts";
import { ACCEPTED_ANNOTATION } from "../../facts/accepted.ts";
import { Ipam } from "../../ipam/ipam.ts";
import { hashedMacs } from "../../ipam/mac-choice.ts";
import { ipPoolUnit, projectIpPool } from "../../kinds/ippool.ts";
import { configureSubnet } from "./subnet-configuration.ts";

t.test("a subnet is accepted only if IPAM can allocate from it, whatever its spec says", async (t) => {
  const addresses = ["10.20.0.0", "10.20.0.1", "10.20.0.2", "10.20.0.3", "fd00::", "fd00::1", "fd00::3", "fd00::7"];
  const bases = ["10.20.0.0", "127.0.0.0", "224.0.0.0", "0.0.0.0", "169.254.1.0", "fd00::", "fe80::", "ff02::", "::"];
  const block = fc.tuple(fc.constantFrom(...bases), fc.constantFrom(0, 8, 24, 29, 30, 31, 32, 64, 125, 126, 127, 128));
  const spec = fc.record({
    cidrBlock: fc.array(block, { minLength: 1, maxLength: 2 }).map((all) => all.map((one) => one.join("/")).join(",")),
    gateway: fc.subarray(addresses, { maxLength: 2 }).map((all) => all.join(",")),
    excludeIps: fc.subarray(["10.20.0.2", "x", "fd00::2..fd00::1"]),
  });
  let usable = 0;
  fc.assert(
    fc.property(spec, (of) => {
      const facts = sampleFacts();
      addSubnet(facts, "s", of);
      if (facts.get("verdicts", "s")?.ok !== true) return;
      usable++;
      const ipam = new Ipam({ macs: hashedMacs("test") });
      configureSubnet(facts, ipam, "s");
      const given = ipam.allocate({ owner: "a", subnets: ["s"], want: { kind: "any" } });
      t.ok(given.ok || given.code === "NoAvailableAddress", JSON.stringify([of, given]));
    }),
    { numRuns: 1000, seed: 5 },
  );
  t.ok(usable > 10, `${usable} of them are usable`);
});

t.test("the last address of an IPv6 subnet may be its gateway: IPv6 has no broadcast address", async (t) => {
  const facts = sampleFacts();
  addSubnet(facts, "s", { cidrBlock: "fd00:201::/112", gateway: "fd00:201::ffff" });
  t.match(facts.get("verdicts", "s"), { ok: true });
  const ipam = new Ipam({ macs: hashedMacs("test") });
  configureSubnet(facts, ipam, "s");
  const given = ipam.allocate({ owner: "a", subnets: ["s"], want: { kind: "any" } });
  t.match(given, { ok: true, lease: { v6: "fd00:201::1" } });
});

t.test(
  "addresses of a pool stay reserved while its spec is unreadable, also for a controller that starts then",
  async (t) => {
    const facts = sampleFacts();
    let accepted = "";
    const apply = (ips: readonly string[]): void => {
      const metadata = { name: "p", uid: "uid-p", annotations: { [ACCEPTED_ANNOTATION]: accepted } };
      facts.set("ipPools", "p", projectIpPool({ metadata, spec: { subnet: "ovn-default", ips: [...ips] } }));
    };
    const settle = () => {
      const ipam = new Ipam({ macs: hashedMacs("test") });
      configureSubnet(facts, ipam, "ovn-default");
      const input = ipPoolUnit.read(facts, "p");
      const effects = input === undefined ? [] : ipPoolUnit.compile(input).effects;
      for (const effect of effects) {
        if (effect.kind === "fill") accepted = effect.annotations?.[ACCEPTED_ANNOTATION] ?? accepted;
      }
      return { ipam, condition: conditionsIn(effects)[0] };
    };
    apply(["10.16.0.2..10.16.0.9"]);
    t.match(settle().condition, { ready: true, refused: undefined });
    t.equal(accepted, '{"ips":["10.16.0.2..10.16.0.9"]}');
    apply(["10.16.0.2..10.16.0.9", "fd00:10:16::1:0..fd00:10:16::9"]);
    const { ipam, condition } = settle();
    t.match(condition, { ready: true, refused: { reason: "PoolMalformed" } });
    t.equal(accepted, '{"ips":["10.16.0.2..10.16.0.9"]}', "what counts is remembered, not what is written");
    const given = ipam.allocate({ owner: "a", subnets: ["ovn-default"], want: { kind: "any" } });
    t.match(given, { ok: true, lease: { v4: "10.16.0.10" } });
    apply(["10.99.0.2", "10.98.0.2"]);
    settle();
    t.match(
      facts.get("verdicts", poolVerdictKey("p"))?.message,
      /10\.99\.0\.2.*10\.98\.0\.2/,
      "all that is wrong is said",
    );
  },
);

t.test(
  "a subnet that becomes unreadable is unknown, as for a controller that starts then, unless it is in use",
  async (t) => {
    const facts = sampleFacts();
    const ipam = new Ipam({ macs: hashedMacs("test") });
    const CIDRS: Readonly<Record<string, string>> = { idle: "10.50.0.0/24", used: "10.51.0.0/24" };
    const set = (name: string, excludeIps: readonly string[]): void => {
      addSubnet(facts, name, { vpc: "nowhere", cidrBlock: CIDRS[name] ?? "", excludeIps: [...excludeIps] });
      configureSubnet(facts, ipam, name);
    };
    for (const name of ["idle", "used"]) set(name, []);
    t.match(ipam.allocate({ owner: "a", subnets: ["used"], want: { kind: "any" } }), { ok: true });
    for (const name of ["idle", "used"]) set(name, ["x"]);
    t.same([...ipam.subnetNames()], ["used"]);
    t.ok(ipam.leaseOf("a"));
  },
);
