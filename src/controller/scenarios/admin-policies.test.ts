// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import type { KubeObject } from "../../kube/object.ts";
import {
  ADMIN_NETWORK_POLICIES,
  CRDS,
  DNS_NAME_RESOLVERS,
  type ResourceType,
  SERVICES,
  typeName,
} from "../../kube/resources.ts";
import type { FakeKube } from "../../kube/testing/fake.ts";
import type { FakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";
import { answer, type FakeDns, fakeDns } from "../testing/fake-dns.ts";

/** A controller that queries a DNS of the test. */
function asking(t: Test, kube: FakeKube, server: FakeOvsdb, dns: FakeDns) {
  const made = candidate(t, kube, server, { dns });
  const addresses = (): readonly string[] | undefined => {
    const sets = [...made.northbound.rows()].filter(
      ({ table, columns }) => table === "Address_Set" && !String(columns["name"]).startsWith("weft_"),
    );
    return sets.length === 0
      ? undefined
      : sets.flatMap(({ columns }) => columns["addresses"] as readonly string[]).sort();
  };
  return { ...made, addresses };
}

/** A cluster with a DNS. */
async function clusterWithDns(t: Test): Promise<{ kube: FakeKube; server: FakeOvsdb; dns: FakeDns }> {
  const { kube, server } = await cluster(t);
  const spec = { clusterIPs: ["10.96.0.10"], ports: [{ name: "dns", port: 53, protocol: "UDP" }] };
  await kube.create(SERVICES, { metadata: { namespace: "kube-system", name: "kube-dns" }, spec });
  return { kube, server, dns: fakeDns() };
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

t.test("a domain name in a policy matches the addresses that the cluster's DNS returns", async (t) => {
  const { kube, server, dns } = await clusterWithDns(t);
  dns.zone.set("a.test/4", answer(30, "192.0.2.1"));
  dns.zone.set("a.test/6", answer(30, "2001:db8::1"));
  const { addresses } = asking(t, kube, server, dns);
  await policy(kube, "p", "a.test");
  await eventually("it has them", () => (addresses()?.length === 2 ? true : undefined));
  t.same(addresses(), ["192.0.2.1", "2001:db8::1"]);
  await eventually("it is enforced", () => (ready(kube, "p") === "Enforced" ? true : undefined));
  await policy(kube, "q", "nowhere.test");
  await eventually("that is said", () => (ready(kube, "q") === "DomainNotFound" ? true : undefined));
  dns.zone.set("nowhere.test/4", answer(30, "192.0.2.2"));
  await eventually("and that it is right now", () => (ready(kube, "q") === "Enforced" ? true : undefined));
  await kube.delete(ADMIN_NETWORK_POLICIES, { name: "p" });
  await kube.delete(ADMIN_NETWORK_POLICIES, { name: "q" });
  await eventually("they are gone", () => (addresses() === undefined ? true : undefined));
});

t.test("a controller that starts while the DNS is down keeps the existing addresses", async (t) => {
  const { kube, server, dns } = await clusterWithDns(t);
  dns.zone.set("a.test/4", answer(30, "192.0.2.1"));
  dns.zone.set("a.test/6", answer(30));
  const first = asking(t, kube, server, dns);
  await policy(kube, "p", "a.test");
  await eventually("it has them", () => (first.addresses()?.length === 1 ? true : undefined));
  dns.down = "ETIMEOUT";
  await first.stop();
  const second = asking(t, kube, server, dns);
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

t.test("types that are installed later are used at once, and existing policies are enforced", async (t) => {
  const { kube, server, dns } = await clusterWithDns(t);
  for (const type of [ADMIN_NETWORK_POLICIES, DNS_NAME_RESOLVERS]) kube.serveType(type, false);
  const { controller, northbound } = asking(t, kube, server, dns);
  await eventually("it leads without them", () => controller.leading || undefined);
  dns.zone.set("a.test/4", answer(30, "192.0.2.1"));
  dns.zone.set("a.test/6", answer(30));
  await define(kube, ADMIN_NETWORK_POLICIES);
  await policy(kube, "late", "a.test", "*.b.test");
  const hasAcl = (): true | undefined =>
    [...northbound.rows()].some(({ table }) => table === "ACL") ? true : undefined;
  t.ok(await eventually("it is enforced", hasAcl));

  await eventually("a wildcard needs others", () => (ready(kube, "late") === "WildcardNotResolved" ? true : undefined));
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
});
