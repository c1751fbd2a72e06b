// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { vlanKind } from "../../kinds/vlan.ts";
import type { KubeObject } from "../../kube/object.ts";
import { ENDPOINT_SLICES, EVENTS, NODES, SERVICES, SUBNETS, VPCS } from "../../kube/resources.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";

const ANNOTATION = "ovn.kubernetes.io/service_external_ip_from_subnet";
const REF = { namespace: "default", name: "web" };
const FROM_EXTERNAL = { [ANNOTATION]: "external" };

/** A cluster whose default VPC has a port in a dual-stack external subnet, with a leading controller. */
async function external(t: Test) {
  const { kube, server } = await cluster(t);
  const labels = { "ovn.kubernetes.io/external-gw": "true" };
  const annotations = { "ovn.kubernetes.io/chassis": "chassis-n1" };
  await kube.patch(NODES, { name: "n1" }, { type: "merge", body: { metadata: { labels, annotations } } });
  await kube.create(vlanKind.type, { metadata: { name: "v100" }, spec: { id: 100, provider: "external" } } as never);
  const range = {
    ...{ cidrBlock: "172.30.0.0/24,fd00:30::/112", gateway: "172.30.0.1,fd00:30::1" },
    excludeIps: ["172.30.0.1..172.30.0.99", "fd00:30::1..fd00:30::99"],
  };
  await kube.create(SUBNETS, { metadata: { name: "external" }, spec: { ...range, vlan: "v100" } } as never);
  const { stop } = candidate(t, kube, server);
  await eventually("the default VPC exists", () => kube.object(VPCS, { name: "ovn-cluster" }));
  await kube.patch(VPCS, { name: "ovn-cluster" }, { type: "merge", body: { spec: { enableExternal: true } } });
  const hasPort = () =>
    server.rows(OVN_NB, "Logical_Router_Port").some(({ name }) => name === "ovn-cluster-external") || undefined;
  await eventually("the VPC has a port in the external subnet", hasPort);
  const make = (name: string, annotations: Record<string, string>, spec: object = {}) =>
    kube.create(SERVICES, {
      metadata: { namespace: "default", name, annotations },
      spec: {
        ...{ type: "LoadBalancer", clusterIP: "10.96.0.7", clusterIPs: ["10.96.0.7", "fd00:10:96::7"] },
        ...{ ports: [{ protocol: "TCP", port: 80, targetPort: 8080 }], ...spec },
      },
    } as never);
  const ingress = (name = "web") => {
    const { status } = kube.object<Service>(SERVICES, { namespace: "default", name }) ?? {};
    return (status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip);
  };
  const given = (name = "web") =>
    eventually(`${name} has addresses`, () => {
      const ips = ingress(name);
      return ips.length > 0 ? ips : undefined;
    });
  const events = () => kube.objects<EventObject>(EVENTS).map(({ message }) => message);
  const balancer = () => server.rows(OVN_NB, "Load_Balancer").find(({ name }) => name === "default/web/tcp/external");
  return { kube, server, stop, make, ingress, given, events, balancer };
}

interface Service extends KubeObject {
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip: string }[] } };
}

interface EventObject extends KubeObject {
  readonly message: string;
}

t.test("a Service gets an address of each family, which its VPC's router balances to its endpoints", async (t) => {
  const { kube, server, make, given, balancer } = await external(t);
  await make("web", FROM_EXTERNAL);
  const [v4 = "", v6 = ""] = await given();
  t.match(v4, /^172\.30\.0\.1\d\d$/);
  t.match(v6, /^fd00:30::/);
  await kube.create(ENDPOINT_SLICES, {
    metadata: { namespace: "default", name: "web-1", labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    ports: [{ protocol: "TCP", port: 8080 }],
    endpoints: [{ addresses: ["10.16.0.5"] }, { addresses: ["10.16.0.6"] }],
  } as never);
  const vips = await eventually("the router balances", () => {
    const found = balancer()?.vips;
    return found?.[`${v4}:80`] === undefined || found[`${v4}:80`] === "" ? undefined : found;
  });
  t.same(vips, { [`${v4}:80`]: "10.16.0.5:8080,10.16.0.6:8080", [`[${v6}]:80`]: "" });
  const router = server.rows(OVN_NB, "Logical_Router").find(({ name }) => name === "ovn-cluster");
  t.ok(router?.load_balancer.includes(balancer()?._uuid ?? ""), "of the router");
  const policy = server.rows(OVN_NB, "Logical_Router_Policy").find(({ match }) => match.includes("tcp.src == 8080"));
  t.match(policy, { match: "ip4.src == {10.16.0.5, 10.16.0.6} && tcp.src == 8080", nexthops: ["172.30.0.1"] });
});

t.test("no address is given twice, and a refusal says who has it", async (t) => {
  const { kube, make, given, ingress, events } = await external(t);
  await make("web", FROM_EXTERNAL, { loadBalancerIP: "172.30.0.150" });
  t.match(await given(), ["172.30.0.150"]);
  await make("other", FROM_EXTERNAL, { loadBalancerIP: "172.30.0.150" });
  const told = 'is in use by Service "default/web"';
  await eventually("the refusal is told", () => events().some((message) => message.includes(told)) || undefined);
  t.same(ingress("other"), []);
  await kube.delete(SERVICES, REF);
  t.match(await given("other"), ["172.30.0.150"], "it is free when its Service is gone");
});

t.test("what a Service asks for counts: another subnet, another class, no annotation any more", async (t) => {
  const { kube, make, given, ingress, balancer } = await external(t);
  await make("web", FROM_EXTERNAL);
  await given();
  await kube.patch(SERVICES, REF, { type: "merge", body: { metadata: { annotations: { [ANNOTATION]: null } } } });
  await eventually("its addresses are released", () => (ingress().length === 0 ? true : undefined));
  await eventually("and no longer balanced", () => (balancer() === undefined ? true : undefined));
  await kube.patch(SERVICES, REF, { type: "merge", body: { metadata: { annotations: FROM_EXTERNAL } } });
  await given();
  await make("theirs", FROM_EXTERNAL, { loadBalancerClass: "example.com/other" });
  await make("plain", {});
  await make("ours", {}, { loadBalancerClass: "weft.kubeovn.io/external-subnet" });
  await given("ours");
  t.same([ingress("theirs"), ingress("plain")], [[], []], "of another implementation");
});

t.test("an address that a Service does not ask for any more is free", async (t) => {
  const { kube, make, given } = await external(t);
  await make("web", FROM_EXTERNAL, { loadBalancerIP: "172.30.0.150" });
  t.match(await given(), ["172.30.0.150"]);
  await make("other", FROM_EXTERNAL, { loadBalancerIP: "172.30.0.150" });
  await kube.patch(SERVICES, REF, { type: "merge", body: { metadata: { annotations: { [ANNOTATION]: null } } } });
  t.match(await given("other"), ["172.30.0.150"]);
});

t.test("a Service gets no address of a subnet of pods or nodes", async (t) => {
  const { make, given, ingress, events } = await external(t);
  for (const subnet of ["ovn-default", "join"]) {
    await make(subnet, { [ANNOTATION]: subnet });
    const told = `Subnet "${subnet}" is not an external subnet`;
    await eventually("it is told", () => events().some((message) => message.includes(told)) || undefined);
  }
  await make("web", FROM_EXTERNAL);
  await given();
  t.same([ingress("ovn-default"), ingress("join")], [[], []]);
});

t.test("a Service that another proxy serves gets no address", async (t) => {
  const { kube, make, given, ingress } = await external(t);
  const label = async (value: string | null) =>
    kube.patch(SERVICES, REF, {
      type: "merge",
      body: { metadata: { labels: { "service.kubernetes.io/service-proxy-name": value } } },
    });
  await make("web", FROM_EXTERNAL);
  await given();
  await label("other");
  await eventually("its addresses are released", () => ingress().length === 0 || undefined);
  await label(null);
  await given();
});

t.test("addresses of another implementation are left as they are", async (t) => {
  const { kube, make, given, ingress, events, balancer } = await external(t);
  const write = (...ips: string[]) =>
    kube.patch(
      SERVICES,
      REF,
      { type: "merge", body: { status: { loadBalancer: { ingress: ips.map((ip) => ({ ip })) } } } },
      { subresource: "status" },
    );
  await make("web", {});
  await write("192.0.2.7");
  const annotate = (annotations: Record<string, string | null>) =>
    kube.patch(SERVICES, REF, { type: "merge", body: { metadata: { annotations } } });
  await annotate(FROM_EXTERNAL);
  const told = () => events().filter((message) => message.includes("has 192.0.2.7 from another implementation")).length;
  await eventually("it is told", () => told() > 0 || undefined);
  t.same([ingress(), balancer()], [["192.0.2.7"], undefined]);
  await write();
  const own = await given();
  t.match(own[0], /^172\.30\.0\./, "it is served when the other has left");
  await eventually("the router balances", () => balancer());
  await write("192.0.2.7");
  await eventually("the router does not balance the other's", () => balancer() === undefined || undefined);
  await make("next", FROM_EXTERNAL, { loadBalancerIP: own.join(",") });
  t.same(await given("next"), own, "its former addresses are free");
  await annotate({ [ANNOTATION]: null });
  const record = () => kube.object(SERVICES, REF)?.metadata.annotations?.["weft.kubeovn.io/load-balancer"];
  await eventually("the record is removed", () => record() === undefined || undefined);
  t.same(ingress(), ["192.0.2.7"]);
});

t.test("an address of the subnet that MetalLB has given is left to MetalLB as long as it says so", async (t) => {
  const { kube, make, given, ingress, events, balancer } = await external(t);
  const annotate = (annotations: Record<string, string | null>) =>
    kube.patch(SERVICES, REF, { type: "merge", body: { metadata: { annotations } } });
  const POOL = "metallb.io/ip-allocated-from-pool";
  await make("web", { [POOL]: "external" });
  const theirs = ["172.30.0.50", "fd00:30::50"];
  await kube.patch(
    SERVICES,
    REF,
    { type: "merge", body: { status: { loadBalancer: { ingress: theirs.map((ip) => ({ ip })) } } } },
    { subresource: "status" },
  );
  await annotate(FROM_EXTERNAL);
  const told = (text: string) => events().find((message) => message.includes(text));
  await eventually("it is told", () => told(`has ${theirs.join(", ")} from another implementation`));
  await make("later", FROM_EXTERNAL);
  await given("later");
  t.same([ingress(), balancer()], [theirs, undefined]);
  await annotate({ [POOL]: null });
  await eventually("Weft takes it over", () => balancer());
  t.same(ingress(), theirs);
  await annotate({ [POOL]: "external" });
  await eventually("MetalLB has taken it over", () => balancer() === undefined || undefined);
  t.same(ingress(), theirs);
  await kube.patch(
    SERVICES,
    REF,
    { type: "merge", body: { status: { loadBalancer: { ingress: null } } } },
    { subresource: "status" },
  );
  t.equal((await given()).length, 2, "Weft serves it when MetalLB has gone");
  await eventually("the router balances", () => balancer());
  t.equal(kube.object(SERVICES, REF)?.metadata.annotations?.[POOL], undefined);
});

t.test(
  "a Service whose addresses something removes each time is told so, and is not written without a pause",
  async (t) => {
    const { kube, make, given, ingress, events } = await external(t);
    await make("web", FROM_EXTERNAL);
    const before = await given();
    const body = { status: { loadBalancer: { ingress: null } } };
    const remove = () => kube.patch(SERVICES, REF, { type: "merge", body }, { subresource: "status" });
    for (let i = 0; i < 2; i++) {
      await remove();
      t.same(await given(), before, "at once");
    }
    await remove();
    const told = "something else has removed the Service's addresses from its status";
    await eventually("it is told", () => events().find((message) => message.includes(told)));
    t.same(ingress(), []);
    t.same(await given(), before);
  },
);

t.test("a Service whose annotations were replaced keeps its addresses", async (t) => {
  const { kube, make, given, ingress } = await external(t);
  await make("web", FROM_EXTERNAL);
  const before = await given();
  const record = () => kube.object(SERVICES, REF)?.metadata.annotations?.["weft.kubeovn.io/load-balancer"];
  t.equal(record(), `external/${before.join(",")}`);
  const annotations = { "weft.kubeovn.io/load-balancer": null };
  await kube.patch(SERVICES, REF, { type: "merge", body: { metadata: { annotations } } });
  await eventually("they are recorded again", record);
  t.same(ingress(), before);
});

t.test("a Service that becomes dual-stack, and single-stack again, keeps its address", async (t) => {
  const { kube, make, given, ingress } = await external(t);
  await make("web", FROM_EXTERNAL, { clusterIPs: ["10.96.0.7"] });
  const before = await given();
  t.equal(before.length, 1);
  const spec = { clusterIPs: ["10.96.0.7", "fd00:10:96::7"] };
  await kube.patch(SERVICES, REF, { type: "merge", body: { spec } });
  const after = await eventually("it has two", () => (ingress().length === 2 ? ingress() : undefined));
  t.equal(after[0], before[0]);
  const single = { clusterIPs: ["10.96.0.7"] };
  await kube.patch(SERVICES, REF, { type: "merge", body: { spec: single } });
  t.same(await eventually("it has one", () => (ingress().length === 1 ? ingress() : undefined)), before);
  await make("other", FROM_EXTERNAL, { loadBalancerIP: after[1] });
  t.match(await given("other"), [/^172/, after[1]], "the removed one is free");
});

t.test("a Service waits for both families, and gets them when they are free", async (t) => {
  const { kube, make, given, ingress, events } = await external(t);
  const excludeIps = ["172.30.0.1..172.30.0.99", "fd00:30::1..fd00:30::fffe"];
  await make("first", FROM_EXTERNAL, { loadBalancerIP: "172.30.0.150,fd00:30::5" });
  await given("first");
  await kube.patch(SUBNETS, { name: "external" }, { type: "merge", body: { spec: { excludeIps } } });
  await eventually("there is no IPv6 address", () => {
    const left = kube.object<{ readonly status?: { readonly v6availableIPs?: number } } & KubeObject>(SUBNETS, {
      name: "external",
    })?.status?.v6availableIPs;
    return left === 0 || undefined;
  });
  await make("web", FROM_EXTERNAL);
  await eventually("it is told", () => events().some((message) => message.includes("NoAvailableAddress")) || undefined);
  t.same(ingress(), []);
  await kube.patch(SUBNETS, { name: "external" }, { type: "merge", body: { spec: { excludeIps: [excludeIps[0]] } } });
  t.equal((await given()).length, 2);
});

t.test("a restarted controller keeps the addresses and writes nothing", async (t) => {
  const { kube, server, stop, make, given, balancer } = await external(t);
  await make("web", FROM_EXTERNAL);
  const before = await given();
  await eventually("the router balances", () => balancer());
  await stop();
  const [row, service] = [balancer(), await kube.get(SERVICES, REF)];
  candidate(t, kube, server);
  await make("later", FROM_EXTERNAL);
  const later = await given("later");
  t.notOk(before.some((address) => later.includes(address)));
  t.same([balancer(), await kube.get(SERVICES, REF)], [row, service]);
});
