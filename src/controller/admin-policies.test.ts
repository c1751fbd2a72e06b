import type { Logger } from "pino";
import t, { type Test } from "tap";
import { SYSTEM_CLOCK } from "../kube/clock.ts";
import { type FakeKube, fakeKube } from "../kube/fake.ts";
import type { KubeObject } from "../kube/object.ts";
import {
  ADMIN_NETWORK_POLICIES,
  CRDS,
  DNS_NAME_RESOLVERS,
  NAMESPACES,
  NODES,
  type ResourceType,
  SERVICES,
  typeName,
} from "../kube/resources.ts";
import { type FakeOvsdb, fakeOvsdb } from "../ovsdb/fake.ts";
import { OVN_NB } from "../ovsdb/generated/ovn-nb.ts";
import { Controller } from "./controller.ts";
import { answer, type FakeDns, fakeDns } from "./domains/testing.ts";
import { Election } from "./election.ts";
import { Northbound } from "./northbound.ts";
import type { Settings } from "./settings.ts";

const SETTINGS: Settings = {
  ovnNb: "",
  clusterRouter: "ovn-cluster",
  defaultSubnet: "ovn-default",
  defaultCidr: "10.16.0.0/24",
  defaultGateway: "",
  defaultExcludeIps: "",
  nodeSwitch: "join",
  nodeSwitchCidr: "100.64.0.0/24",
  enableLb: true,
  serviceCidr: "10.96.0.0/12",
  dnsServers: "",
  dnsService: "kube-system/kube-dns",
  domainGraceS: 600,
  metricsPort: 0,
  logLevel: "info",
  allowMassDelete: false,
  identity: "test",
  namespace: "kube-system",
};

const quiet = (): void => {};
const LOG = { debug: quiet, info: quiet, warn: quiet, error: quiet } as unknown as Logger;

function candidate(t: Test, kube: FakeKube, server: FakeOvsdb, dns: FakeDns) {
  const client = server.connect();
  const northbound = new Northbound(client);
  const parts = { kube, northbound, settings: SETTINGS, log: LOG, clock: SYSTEM_CLOCK, random: () => 0.5, dns };
  const controller = new Controller(parts);
  const election = new Election(parts, controller, () => t.fail("leading could not begin"));
  election.start();
  const stop = async (): Promise<void> => {
    await election.stop();
    await client.close();
  };
  t.teardown(stop);
  const addresses = (): readonly string[] | undefined => {
    const sets = [...northbound.rows()].filter(({ table }) => table === "Address_Set");
    return sets.length === 0
      ? undefined
      : sets.flatMap(({ columns }) => columns["addresses"] as readonly string[]).sort();
  };
  return { controller, northbound, stop, addresses };
}

async function eventually<T>(what: string, found: () => T | undefined): Promise<T> {
  for (let i = 0; i < 2_000; i++) {
    const value = found();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`not within time: ${what}`);
}

async function cluster(t: Test): Promise<{ kube: FakeKube; server: FakeOvsdb; dns: FakeDns }> {
  const kube = fakeKube();
  const server = fakeOvsdb(OVN_NB);
  t.teardown(() => server.close());
  await kube.create(NODES, { metadata: { name: "n1" } });
  await kube.create(NAMESPACES, { metadata: { name: "default" } });
  const spec = { clusterIPs: ["10.96.0.10"], ports: [{ name: "dns", port: 53, protocol: "UDP" }] };
  await kube.create(SERVICES, { metadata: { namespace: "kube-system", name: "kube-dns" }, spec });
  const dns = fakeDns();
  return { kube, server, dns };
}

function policy(kube: FakeKube, name: string, ...domainNames: string[]) {
  const egress = [{ action: "Allow", to: [{ domainNames }] }];
  const spec = { priority: 1, subject: { namespaces: {} }, egress };
  return kube.create(ADMIN_NETWORK_POLICIES, { metadata: { name }, spec });
}

async function define(kube: FakeKube, type: ResourceType): Promise<void> {
  kube.serveType(type, true);
  const name = typeName(type);
  await kube.create(CRDS, { metadata: { name }, spec: { versions: [{ name: type.version, served: true }] } });
  const body = { status: { conditions: [{ type: "Established", status: "True" }] } };
  await kube.patch(CRDS, { name }, { type: "merge", body }, { subresource: "status" });
}

type Status = { readonly conditions?: readonly { readonly type: string; readonly reason: string }[] };
function ready(kube: FakeKube, name: string): string | undefined {
  const status = kube.object<KubeObject>(ADMIN_NETWORK_POLICIES, { name })?.status as Status | undefined;
  return status?.conditions?.find(({ type }) => type === "Ready")?.reason;
}

t.test("a domain name in a policy is the addresses that the cluster's DNS has for it", async (t) => {
  const { kube, server, dns } = await cluster(t);
  dns.zone.set("a.test/4", answer(30, "192.0.2.1"));
  dns.zone.set("a.test/6", answer(30, "2001:db8::1"));
  const { addresses } = candidate(t, kube, server, dns);
  await policy(kube, "p", "a.test");
  await eventually("it has them", () => (addresses()?.length === 2 ? true : undefined));
  t.same(addresses(), ["192.0.2.1", "2001:db8::1"]);
  await eventually("it is in force", () => (ready(kube, "p") === "Enforced" ? true : undefined));
  await policy(kube, "q", "nowhere.test");
  await eventually("that is said", () => (ready(kube, "q") === "DomainNotFound" ? true : undefined));
  dns.zone.set("nowhere.test/4", answer(30, "192.0.2.2"));
  await eventually("and that it is right now", () => (ready(kube, "q") === "Enforced" ? true : undefined));
  await kube.delete(ADMIN_NETWORK_POLICIES, { name: "p" });
  await kube.delete(ADMIN_NETWORK_POLICIES, { name: "q" });
  await eventually("they are gone", () => (addresses() === undefined ? true : undefined));
});

t.test("a controller that starts while the DNS is down leaves the addresses that are there", async (t) => {
  const { kube, server, dns } = await cluster(t);
  dns.zone.set("a.test/4", answer(30, "192.0.2.1"));
  dns.zone.set("a.test/6", answer(30));
  const first = candidate(t, kube, server, dns);
  await policy(kube, "p", "a.test");
  await eventually("it has them", () => (first.addresses()?.length === 1 ? true : undefined));
  dns.down = "ETIMEOUT";
  await first.stop();
  const second = candidate(t, kube, server, dns);
  let least = 9;
  const stop = second.northbound.subscribe(() => {
    least = Math.min(least, second.addresses()?.length ?? 0);
  });
  await eventually("it leads", () => second.controller.leading || undefined);
  await eventually("it has compiled everything", () =>
    second.controller.engine.stats.compiled > 0 ? true : undefined,
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  stop();
  t.same(second.addresses(), ["192.0.2.1"]);
});

t.test(
  "types that are installed later are taken into use at once, and policies that were there are enforced",
  async (t) => {
    const { kube, server, dns } = await cluster(t);
    for (const type of [ADMIN_NETWORK_POLICIES, DNS_NAME_RESOLVERS]) kube.serveType(type, false);
    const { controller, northbound } = candidate(t, kube, server, dns);
    await eventually("it leads without them", () => controller.leading || undefined);
    await new Promise((resolve) => setTimeout(resolve, 500));
    dns.zone.set("a.test/4", answer(30, "192.0.2.1"));
    dns.zone.set("a.test/6", answer(30));
    const started = performance.now();
    await define(kube, ADMIN_NETWORK_POLICIES);
    await policy(kube, "late", "a.test", "*.b.test");
    const hasAcl = (): true | undefined =>
      [...northbound.rows()].some(({ table }) => table === "ACL") ? true : undefined;
    await eventually("it is enforced", hasAcl);
    t.ok(performance.now() - started < 2_000, "promptly");

    await eventually("a wildcard needs others", () =>
      ready(kube, "late") === "WildcardNotResolved" ? true : undefined,
    );
    await define(kube, DNS_NAME_RESOLVERS);
    const resolvers = () => kube.objects<KubeObject>(DNS_NAME_RESOLVERS);
    await eventually("resolvers are made", () => (resolvers().length === 2 ? true : undefined));
    const [wild] = resolvers().filter(({ spec }) => (spec as { name: string }).name === "*.b.test.");
    t.match(wild?.metadata, { name: /^anp-late-[0-9a-f]{8}$/, labels: { anp: "late" } });
    const resolvedNames = [{ dnsName: "x.b.test.", resolvedAddresses: [{ ip: "192.0.2.7", ttlSeconds: 30 }] }];
    const name = wild?.metadata.name ?? "";
    await kube.patch(
      DNS_NAME_RESOLVERS,
      { name },
      { type: "merge", body: { status: { resolvedNames } } },
      { subresource: "status" },
    );
    const has = (): true | undefined =>
      [...northbound.rows()].some(
        ({ table, columns }) => table === "Address_Set" && String(columns["addresses"]).includes("192.0.2.7"),
      )
        ? true
        : undefined;
    await eventually("what it says counts", has);
    await kube.create(DNS_NAME_RESOLVERS, { metadata: { name: "mine" }, spec: { name: "c.test." } });
    await kube.delete(ADMIN_NETWORK_POLICIES, { name: "late" });
    await eventually("ours are given up", () => (resolvers().length === 1 ? true : undefined));
    t.equal(resolvers()[0]?.metadata.name, "mine");
  },
);
