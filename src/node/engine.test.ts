// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import { FakeNftables } from "../daemon/testing/fake-node.ts";
import { NodeEngine } from "./engine.ts";
import { isOurTable, NODE_LINK_ALIAS, PROTOCOL, QDISC_HANDLE } from "./marks.ts";
import type { NodeState } from "./state.ts";
import { FakeKernel } from "./testing/fake-kernel.ts";
import { NO_OVS } from "./testing/no-ovs.ts";

interface Node {
  readonly kernel: FakeKernel;
  readonly nft: FakeNftables;
}

function engineOf({ kernel, nft }: Node): NodeEngine {
  return new NodeEngine({ kernel, nft, ovs: NO_OVS, uuid: randomUUID });
}

/** An object of another program on the node. */
type Foreign =
  | { readonly kind: "link"; readonly name: string; readonly alias: string | undefined; readonly octet: number }
  | { readonly kind: "route"; readonly octet: number; readonly protocol: number; readonly table: number }
  | { readonly kind: "rule"; readonly priority: number; readonly protocol: number; readonly octet: number }
  | { readonly kind: "qdisc"; readonly handle: string; readonly at: number }
  | { readonly kind: "table"; readonly name: string };

const octet = fc.integer({ min: 0, max: 200 });
const protocol = fc.integer({ min: 0, max: 255 }).filter((number) => number !== PROTOCOL);
const FOREIGN: fc.Arbitrary<Foreign> = fc.oneof(
  fc.record({
    kind: fc.constant("link" as const),
    name: fc.constantFrom("eth1", "foo_h", "0123456789ab_h", "weft0", "ovn1", "cni0"),
    alias: fc.constantFrom(undefined, "weft", "uplink", "weft: pod shop/web-0"),
    octet,
  }),
  fc.record({ kind: fc.constant("route" as const), octet, protocol, table: fc.constantFrom(254, 100) }),
  fc.record({ kind: fc.constant("rule" as const), priority: octet, protocol, octet }),
  fc.record({ kind: fc.constant("qdisc" as const), handle: fc.constantFrom("1:", "8001:", "5747:"), at: fc.nat(3) }),
  fc.record({
    kind: fc.constant("table" as const),
    name: fc.constantFrom("inet weftish", "inet weft-extra", "ip nat", "inet kube-proxy"),
  }),
);

/** Adds it; objects that the kernel refuses are left out. */
function plant({ kernel, nft }: Node, thing: Foreign): void {
  const uplink = kernel.link("eth0")!;
  switch (thing.kind) {
    case "link": {
      if (kernel.link(thing.name) !== undefined) return;
      kernel.createLink({ name: thing.name, kind: "veth", ...(thing.alias !== undefined && { alias: thing.alias }) });
      kernel.setAddress({ index: kernel.link(thing.name)!.index, address: `198.18.${thing.octet}.1`, prefix: 24 });
      return;
    }
    case "route": {
      const { protocol, table } = thing;
      const destination = `10.${thing.octet}.0.0/16`;
      if (kernel.routes({ table }).some((route) => route.destination === destination)) return;
      kernel.addRoute({ destination, gateway: "172.18.0.1", device: uplink.index, protocol, table });
      return;
    }
    case "rule": {
      const rule = { family: 4, priority: thing.priority, table: 100, source: `10.${thing.octet}.0.0/16` } as const;
      if (kernel.rules().some(({ priority, source }) => priority === rule.priority && source === rule.source)) return;
      kernel.addRule({ ...rule, protocol: thing.protocol });
      return;
    }
    case "qdisc": {
      const link = kernel.links()[thing.at];
      if (link === undefined) return;
      kernel.setQdisc({ index: link.index, handle: thing.handle, kind: "tbf", rate: 8e6, burst: 9_000, limit: 9_000 });
      return;
    }
    case "table":
      nft.all.set(thing.name, "another program's");
  }
}

/** All objects that are not Weft's. */
function foreignOf({ kernel, nft }: Node): object {
  const ours = new Set(kernel.links().flatMap((link) => (isOurs(link) ? [link.index] : [])));
  return {
    links: kernel.links().filter(({ index }) => !ours.has(index)),
    addresses: kernel.addresses().filter(({ index }) => !ours.has(index)),
    routes: kernel.routes({}).filter((route) => route.protocol !== PROTOCOL && !ours.has(route.device ?? 0)),
    rules: kernel.rules().filter((rule) => rule.protocol !== PROTOCOL),
    qdiscs: kernel
      .qdiscs()
      .filter(({ index, handle }) => handle !== QDISC_HANDLE && handle !== "0:" && !ours.has(index)),
    tables: [...nft.all].filter(([name]) => !isOurTable(name)),
  };
}

function isOurs({ name, alias }: { readonly name: string; readonly alias: string | undefined }): boolean {
  return name === "ovn0" || alias === NODE_LINK_ALIAS;
}

const STATE: fc.Arbitrary<NodeState> = fc.record({
  links: fc
    .subarray([{ name: "ifb-weft", make: "ifb", mtu: 1400 }])
    .map((made) => [{ name: "ovn0", mtu: 1400 }, ...made]),
  sysctls: fc.constant([{ key: ["ipv4", "ip_forward"], value: "1" }]),
  addresses: fc
    .subarray(["100.65.0.2", "100.66.0.2"])
    .map((more) => ["100.64.0.2", ...more].map((address) => ({ link: "ovn0", address, prefix: 16 }))),
  routes: fc
    .uniqueArray(octet)
    .map((octets) => octets.map((each) => ({ link: "ovn0", destination: `10.${each}.0.0/16`, gateway: "100.64.0.1" }))),
  rules: fc
    .uniqueArray(octet)
    .map((octets) =>
      octets.map((each) => ({ family: 4 as const, priority: 300, table: 87, source: `10.${each}.0.0/16` })),
    ),
  qdiscs: fc.subarray([
    { link: "ovn0", kind: "tbf" as const, rate: 80e6, burst: 100_000, limit: 400_000 },
    { link: "eth0", kind: "tbf" as const, rate: 80e6, burst: 100_000, limit: 400_000 },
  ]),
  tables: fc
    .subarray(["inet weft", "inet weft/qos"])
    .map((names) => names.map((name) => ({ name, script: `table ${name} {}`, link: "ovn0" }))),
});

function newNode(): Node {
  const node = { kernel: new FakeKernel(), nft: new FakeNftables() };
  node.kernel.createLink({ name: "eth0", kind: "veth", up: true });
  node.kernel.setAddress({ index: node.kernel.link("eth0")!.index, address: "172.18.0.11", prefix: 16 });
  node.kernel.createLink({ name: "ovn0", kind: "openvswitch" });
  return node;
}

t.test("other programs' objects stay, and wanted objects exist or are reported as blocked", async (t) => {
  const scenario = fc.record({ things: fc.array(FOREIGN), states: fc.array(STATE, { minLength: 1, maxLength: 3 }) });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ things, states }) => {
      const node = newNode();
      for (const thing of things) plant(node, thing);
      const before = foreignOf(node);
      const engine = engineOf(node);
      for (const state of states) {
        const first = await engine.pass(state);
        t.same(first.failures, []);
        const second = await engine.pass(state);
        t.same(second.repairs, [], "a second pass has nothing to do");
        t.same(foreignOf(node), before);
        t.equal(missingOf(node, state), second.blocked.length, "the rest is reported as blocked");
      }
    }),
  );
});

/** The number of wanted routes, rules and qdiscs that do not exist as Weft's. */
function missingOf({ kernel }: Node, { routes = [], rules = [], qdiscs = [] }: NodeState): number {
  const has = kernel.routes({ protocol: PROTOCOL }).map(({ destination }) => destination);
  const hasRules = kernel.rules().filter((rule) => rule.protocol === PROTOCOL);
  const hasQdiscs = kernel.qdiscs().filter(({ handle }) => handle === QDISC_HANDLE);
  t.ok(has.length <= routes.length && hasRules.length <= rules.length && hasQdiscs.length <= qdiscs.length);
  return routes.length + rules.length + qdiscs.length - has.length - hasRules.length - hasQdiscs.length;
}

t.test("after a crash at any step the next process reaches the same state", async (t) => {
  const scenario = fc.record({ old: STATE, wanted: STATE, at: fc.nat(40) });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ old, wanted, at }) => {
      const [node, other] = [newNode(), newNode()];
      await engineOf(node).pass(old);
      let changes = 0;
      node.kernel.onChange = () => {
        changes += 1;
        if (changes > at) throw new Error("the process has ended");
      };
      await engineOf(node).pass(wanted);
      node.kernel.onChange = () => undefined;
      t.same((await engineOf(node).pass(wanted)).failures, []);
      await engineOf(other).pass(wanted);
      t.same(stateOf(node), stateOf(other));
    }),
  );
});

function stateOf({ kernel, nft }: Node): object {
  const sorted = (texts: readonly string[]): readonly string[] => texts.toSorted();
  const nameOf = (index: number | undefined) => kernel.links().find((link) => link.index === index)?.name;
  return {
    links: sorted(kernel.links().map(({ name, mtu, up, alias }) => `${name} ${mtu} ${up} ${alias}`)),
    addresses: sorted(kernel.addresses().map(({ address, index }) => `${address} ${nameOf(index)}`)),
    routes: sorted(
      kernel.routes({}).map(({ destination, gateway, device }) => `${destination} ${gateway} ${nameOf(device)}`),
    ),
    rules: sorted(kernel.rules().map((rule) => JSON.stringify(rule))),
    qdiscs: sorted(kernel.qdiscs().map(({ kind, handle, index }) => `${kind} ${handle} ${nameOf(index)}`)),
    tables: sorted([...nft.all.keys()]),
  };
}

t.test("a failed step does not affect the others, and is repeated in the next pass", async (t) => {
  const node = newNode();
  const engine = engineOf(node);
  const wanted: NodeState = {
    links: [{ name: "ovn0" }],
    addresses: [{ link: "ovn0", address: "100.64.0.2", prefix: 16 }],
    routes: ["10.1.0.0/16", "10.2.0.0/16"].map((destination) => ({ link: "ovn0", destination, gateway: "100.64.0.1" })),
    tables: [{ name: "inet weft", script: "table inet weft {}" }],
  };
  node.kernel.onChange = (operation) => {
    if (operation === "addRoute 10.1.0.0/16") throw new Error("no room");
  };
  const pass = await engine.pass(wanted);
  t.match(pass.failures, [{ what: "route 10.1.0.0/16 dev ovn0", error: /no room/ }]);
  t.same(pass.repairs.slice(-2), ["route 10.2.0.0/16 dev ovn0", "rules table inet weft of nftables"]);
  node.kernel.onChange = () => undefined;
  t.same((await engine.pass(wanted)).repairs, ["route 10.1.0.0/16 dev ovn0"]);
});

t.test("an omitted kind is skipped, and objects of a missing link wait", async (t) => {
  const node = newNode();
  const engine = engineOf(node);
  node.kernel.addRule({ family: 4, priority: 1, table: 87, protocol: PROTOCOL });
  t.same(await engine.pass({}), { repairs: [], missing: [], blocked: [], failures: [] });
  const state = {
    links: [{ name: "ovn9" }],
    routes: [{ link: "ovn9", destination: "10.1.0.0/16", gateway: "100.64.0.1" }],
    sysctls: [{ key: ["ipv4", "conf", "ovn9", "rp_filter"], value: "2", link: "ovn9" }],
  };
  t.same(await engine.pass(state), { repairs: [], missing: ["ovn9"], blocked: [], failures: [] });
  t.equal(node.kernel.rules().length, 1);
});

t.test("when a conflicting route is removed, that is reported, and Weft's route is added", async (t) => {
  const node = newNode();
  const engine = engineOf(node);
  const { kernel } = node;
  const [eth0, ovn0] = [kernel.link("eth0")!.index, kernel.link("ovn0")!.index];
  const other = { destination: "10.1.0.0/16", gateway: "172.18.0.1", device: eth0 };
  kernel.addRoute(other);
  const state: NodeState = {
    links: [{ name: "ovn0" }],
    addresses: [{ link: "ovn0", address: "100.64.0.2", prefix: 16 }],
    routes: [{ link: "ovn0", destination: "10.1.0.0/16", gateway: "100.64.0.1" }],
  };
  t.equal((await engine.pass(state)).blocked.length, 1);
  let told = 0;
  engine.watch(() => {
    told += 1;
  });
  kernel.addRoute({ destination: "10.2.0.0/16", gateway: "172.18.0.1", device: eth0 });
  t.equal(told, 0, "a new object does not free the place");
  kernel.deleteRoute(other);
  t.equal(told, 1);
  t.same(await engine.pass(state), { repairs: ["route 10.1.0.0/16 dev ovn0"], missing: [], blocked: [], failures: [] });
  t.match(kernel.routes({ device: ovn0, protocol: PROTOCOL }), [{ destination: "10.1.0.0/16" }]);
  told = 0;
  kernel.deleteRoute({ ...other, destination: "10.2.0.0/16" });
  t.equal(told, 0, "nothing waits any more");
});

t.test("a growing range is never without a route", async (t) => {
  const node = newNode();
  const engine = engineOf(node);
  const stateWith = (destination: string): NodeState => ({
    links: [{ name: "ovn0" }],
    addresses: [{ link: "ovn0", address: "100.64.0.2", prefix: 16 }],
    routes: [{ link: "ovn0", destination, gateway: "100.64.0.1" }],
  });
  await engine.pass(stateWith("10.16.0.0/16"));
  const counts: number[] = [];
  node.kernel.onChange = () => void counts.push(node.kernel.routes({ protocol: PROTOCOL }).length);
  t.same((await engine.pass(stateWith("10.16.0.0/15"))).repairs, [
    "route 10.16.0.0/15 dev ovn0",
    "route 10.16.0.0/16 (no longer wanted)",
  ]);
  t.same(counts, [1, 2]);
});

t.test("possible changes are reported, and those of other programs are not", async (t) => {
  const node = newNode();
  const engine = engineOf(node);
  const { kernel, nft } = node;
  const [eth0, ovn0] = [kernel.link("eth0")!.index, kernel.link("ovn0")!.index];
  await engine.pass({ links: [{ name: "ovn0" }], tables: [{ name: "inet weft", script: "table inet weft {}" }] });
  let told = 0;
  engine.watch(() => {
    told += 1;
  });
  kernel.setAddress({ index: eth0, address: "198.18.0.1", prefix: 24 });
  kernel.addRule({ family: 4, priority: 1, table: 100 });
  kernel.createLink({ name: "foo_h", kind: "veth" });
  t.equal(told, 0);
  const tells = (what: string, change: () => void): void => {
    told = 0;
    change();
    t.ok(told > 0, what);
  };
  tells("link", () => kernel.setLink(ovn0, { up: false }));
  tells("address", () => kernel.setAddress({ index: ovn0, address: "100.64.0.9", prefix: 16 }));
  tells("route", () => kernel.addRoute({ destination: "10.1.0.0/16", device: eth0, protocol: PROTOCOL }));
  tells("rule", () => kernel.addRule({ family: 4, priority: 2, table: 100, protocol: PROTOCOL }));
  tells("qdisc", () => kernel.setQdisc({ index: ovn0, kind: "tbf", rate: 8e6, burst: 9_000, limit: 9_000 }));
  tells("setting", () => kernel.setSysctl(["ipv4", "ip_forward"], "0"));
  tells("table", () => nft.change("inet weft", ""));
  engine.close();
  told = 0;
  kernel.setLink(ovn0, { up: true });
  nft.change("inet weft", "x");
  t.equal(told, 0);
});
