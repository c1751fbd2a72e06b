// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { parseAllDocuments } from "yaml";
import { EXTERNAL, EXTERNAL_PORT } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import type { KubeObject, NewObject } from "../../../src/kube/object.ts";
import {
  ADMIN_NETWORK_POLICIES,
  BASELINE_ADMIN_NETWORK_POLICIES,
  CLUSTER_NETWORK_POLICIES,
  CRDS,
  DNS_NAME_RESOLVERS,
  ENDPOINT_SLICES,
  type ResourceType,
  SERVICES,
  typeName,
} from "../../../src/kube/resources.ts";
import { established, Objects, type Thing } from "../testing/objects.ts";
import { addressesOf, inNode, inPod, run, useNamespace, webPod } from "../testing/pods.ts";
import { connects, createPolicy, deletePolicy, settles } from "../testing/policies.ts";
import { timed, when } from "../testing/when.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const HOME = "weft-admin";
const OTHER = "weft-admin-other";
const TYPES = [ADMIN_NETWORK_POLICIES, BASELINE_ADMIN_NETWORK_POLICIES, CLUSTER_NETWORK_POLICIES];
const IN_HOME = { namespaces: { matchLabels: { "kubernetes.io/metadata.name": HOME } } };
const IN_OTHER = { namespaces: { matchLabels: { "kubernetes.io/metadata.name": OTHER } } };

/** The definitions that the test installs, as the manifest has them. */
function definitions(file: string): readonly NewObject<KubeObject>[] {
  const text = readFileSync(join(import.meta.dirname, "../crds", file), "utf8");
  return parseAllDocuments(text).map((document) => document.toJS() as NewObject<KubeObject>);
}

t.test("packets follow administrators' policies", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const { kube } = world;
  await useNamespace(t, world, HOME);
  await useNamespace(t, world, OTHER);
  const [web, client] = (await run(world, [
    webPod(HOME, "web", "weft-1"),
    webPod(HOME, "client", "weft-2"),
  ])) as readonly [Thing, Thing];
  const [other] = (await run(world, [webPod(OTHER, "other", "weft-2")])) as readonly [Thing];
  const crds = new Objects(kube, CRDS);
  await crds.ready();
  t.teardown(async () => {
    const all = [...TYPES, DNS_NAME_RESOLVERS];
    for (const type of all) if (crds.get(typeName(type))) await kube.delete(CRDS, { name: typeName(type) });
    for (const type of all) await crds.gone(typeName(type));
    await crds.stop();
  });
  const create = (type: ResourceType, name: string, spec: object): Promise<unknown> =>
    kube.create<Thing>(type, { metadata: { name }, spec, status: undefined });
  const drop = (type: ResourceType, name: string): Promise<unknown> => kube.delete(type, { name });

  const outside = (): Promise<readonly boolean[]> =>
    Promise.all([EXTERNAL.v4, EXTERNAL.v6].map((address) => connects(inPod(client), address, EXTERNAL_PORT)));

  await t.test("policies of types that are installed later are enforced at once", async (t) => {
    for (const type of TYPES) t.equal(crds.get(typeName(type)), undefined, `${type.kind} is not there yet`);
    await settles(other, web, 8080, true);
    for (const crd of definitions("policy.networking.k8s.io.yaml")) await kube.create(CRDS, crd);
    await Promise.all(TYPES.map((type) => established(crds, type)));
    const deny = { priority: 20, subject: IN_HOME, ingress: [{ name: "others", action: "Deny", from: [IN_OTHER] }] };
    const made = (): Promise<unknown> => create(ADMIN_NETWORK_POLICIES, "weft-deny", deny);
    await until(
      "the type is served",
      10_000,
      () =>
        made().then(
          () => true,
          () => false,
        ),
      50,
    );
    const { took } = await timed(() => settles(other, web, 8080, false, 5_000));
    t.pass(`the first policy of the type is active ${took} after it was created`);
    await settles(client, web, 8080, true);
    const anps = new Objects(kube, ADMIN_NETWORK_POLICIES);
    await anps.ready();
    const said = await anps.until("weft-deny", "reports that it is active", (anp) => {
      const conditions: readonly { type: string; status: string }[] = anp?.status?.conditions ?? [];
      return conditions.find(({ type }) => type === "Ready");
    });
    t.match(said, { status: "True", reason: "Enforced" });
    await anps.stop();
  });

  await t.test(
    "a Deny overrides a NetworkPolicy that allows; a Pass before it delegates to the NetworkPolicy",
    async () => {
      await createPolicy(world, HOME, "welcome", { podSelector: {}, ingress: [{}] });
      await settles(other, web, 8080, false);
      const pass = { priority: 10, subject: IN_HOME, ingress: [{ action: "Pass", from: [IN_OTHER] }] };
      await create(ADMIN_NETWORK_POLICIES, "weft-pass", pass);
      await settles(other, web, 8080, true);
      await deletePolicy(world, HOME, "welcome");
      await createPolicy(world, HOME, "closed", { podSelector: {}, policyTypes: ["Ingress"] });
      await settles(other, web, 8080, false);
      await settles(client, web, 8080, false);
    },
  );

  await t.test("an Allow overrides a NetworkPolicy that isolates, for its ports", async (t) => {
    const ports = [{ portRange: { start: 8000, end: 8080 } }];
    const allow = { priority: 5, subject: IN_HOME, ingress: [{ action: "Allow", from: [IN_OTHER], ports }] };
    await create(ADMIN_NETWORK_POLICIES, "weft-allow", allow);
    await settles(other, web, 8080, true);
    t.notOk(await connects(inPod(client), addressesOf(web)[0], 8080), "others not");
    await deletePolicy(world, HOME, "closed");
    for (const name of ["weft-allow", "weft-pass", "weft-deny"]) await drop(ADMIN_NETWORK_POLICIES, name);
    await settles(client, web, 8080, true);
  });

  await t.test("the baseline applies where no NetworkPolicy does; the pod's own node is always allowed", async (t) => {
    const everybody = { namespaces: {} };
    const spec = { subject: IN_HOME, ingress: [{ action: "Deny", from: [everybody] }] };
    await create(BASELINE_ADMIN_NETWORK_POLICIES, "default", spec);
    await settles(client, web, 8080, false);
    await settles(other, web, 8080, false);
    for (const address of addressesOf(web)) t.ok(await connects(inNode(world, "weft-1"), address, 8080), address);
    await createPolicy(world, HOME, "friends", {
      podSelector: {},
      ingress: [{ from: [{ podSelector: {} }] }],
    });
    await settles(client, web, 8080, true);
    await settles(other, web, 8080, false);
    await deletePolicy(world, HOME, "friends");
    await drop(BASELINE_ADMIN_NETWORK_POLICIES, "default");
    await settles(other, web, 8080, true);
  });

  await t.test("a ClusterNetworkPolicy allows egress to a domain name and to nodes only", async (t) => {
    // The cluster's own DNS answers with addresses outside the cluster.
    const name = "outside";
    const headless = { clusterIP: "None", ports: [{ port: EXTERNAL_PORT }], ipFamilyPolicy: "RequireDualStack" };
    await kube.create<Thing>(SERVICES, { metadata: { namespace: HOME, name }, spec: headless, status: undefined });
    for (const [addressType, address] of [
      ["IPv4", EXTERNAL.v4],
      ["IPv6", EXTERNAL.v6],
    ]) {
      const metadata = {
        namespace: HOME,
        name: `${name}-${addressType?.toLowerCase()}`,
        labels: { "kubernetes.io/service-name": name },
      };
      const slice = { metadata, addressType, endpoints: [{ addresses: [address] }], ports: [{ port: EXTERNAL_PORT }] };
      await kube.create(ENDPOINT_SLICES, slice as never);
    }
    await until("the world outside is reached", 10_000, async () => (await outside()).every(Boolean));
    const egress = [
      {
        action: "Accept",
        to: [{ domainNames: [`${name}.${HOME}.svc.cluster.local`] }],
        protocols: [{ tcp: { destinationPort: { number: 80 } } }],
      },
      { action: "Accept", to: [{ nodes: {} }] },
      { action: "Deny", to: [{ networks: ["0.0.0.0/0", "::/0"] }] },
    ];
    await create(CLUSTER_NETWORK_POLICIES, "weft-out", { tier: "Admin", priority: 100, subject: IN_HOME, egress });
    await settles(client, web, 8080, false);
    await until("the domain is reached", 10_000, async () => (await outside()).every(Boolean));
    const node = world.nodes
      .get("weft-1")
      ?.status?.addresses?.find(({ type }: { type: string }) => type === "InternalIP");
    t.equal(
      (await inPod(client)(["busybox", "ping", "-c", "1", "-W", "2", node.address])).code,
      0,
      "a node is reached",
    );
    const body = { spec: { egress: egress.slice(1) } };
    await kube.patch(CLUSTER_NETWORK_POLICIES, { name: "weft-out" }, { type: "merge", body });
    await until("the domain is not reached any more", 10_000, async () => (await outside()).every((open) => !open));
    await drop(CLUSTER_NETWORK_POLICIES, "weft-out");
    await settles(client, web, 8080, true);
  });

  await t.test("a wildcard domain matches the addresses in DNSNameResolvers", async (t) => {
    for (const crd of definitions("dnsnameresolvers.kubeovn.io.yaml")) await kube.create(CRDS, crd);
    await established(crds, DNS_NAME_RESOLVERS);
    const resolvers = new Objects(kube, DNS_NAME_RESOLVERS);
    await resolvers.ready();
    const egress = [
      { action: "Accept", to: [{ domainNames: ["*.weft.example"] }] },
      { action: "Deny", to: [{ networks: ["0.0.0.0/0", "::/0"] }] },
    ];
    await create(CLUSTER_NETWORK_POLICIES, "weft-wild", { tier: "Admin", priority: 100, subject: IN_HOME, egress });
    await until("nothing is let out", 10_000, async () => (await outside()).every((open) => !open));
    const made = await when(
      (listener) => resolvers.subscribe(listener),
      () => resolvers.values().find(({ metadata }) => metadata.labels?.["anp"] === "weft-wild"),
      "a DNSNameResolver for the policy",
      20_000,
    );
    t.equal(made.spec.name, "*.weft.example.");
    const resolvedAddresses = [EXTERNAL.v4, EXTERNAL.v6].map((ip) => ({ ip, ttlSeconds: 30 }));
    const body = { status: { resolvedNames: [{ dnsName: "www.weft.example.", resolvedAddresses }] } };
    const { name } = made.metadata;
    await kube.patch(DNS_NAME_RESOLVERS, { name }, { type: "merge", body }, { subresource: "status" });
    await until("what it has seen is let out to", 10_000, async () => (await outside()).every(Boolean));
    await drop(CLUSTER_NETWORK_POLICIES, "weft-wild");
    await resolvers.gone(name);
    await resolvers.stop();
    await kube.delete(CRDS, { name: typeName(DNS_NAME_RESOLVERS) });
  });

  await t.test("a policy that cannot be enforced as written fails closed and is reported", async (t) => {
    const egress = [
      { action: "Accept", to: [{ domainNames: ["*.weft.example"] }] },
      { action: "Deny", to: [{ networks: ["10.0.0.0/99"] }] },
    ];
    await create(CLUSTER_NETWORK_POLICIES, "weft-odd", { tier: "Baseline", priority: 1, subject: IN_HOME, egress });
    await settles(client, web, 8080, false);
    const cnps = new Objects(kube, CLUSTER_NETWORK_POLICIES);
    await cnps.ready();
    const said = await cnps.until("weft-odd", "says what is wrong", (cnp) => {
      const conditions: readonly { type: string; message: string }[] = cnp?.status?.conditions ?? [];
      return conditions.find(({ type }) => type === "Ready");
    });
    t.match(said, { status: "False", message: '"10.0.0.0/99" is not a valid CIDR' });
    t.match(said.message, "a DNS server cannot list the names below a domain");
    await cnps.stop();
    await drop(CLUSTER_NETWORK_POLICIES, "weft-odd");
    await settles(client, web, 8080, true);
  });

  await t.test("deleted policies leave no rows", async (t) => {
    const left = (): readonly unknown[] =>
      [...world.nb.mirror.rows("ACL")].filter(({ external_ids: ids }) => /^(anp|banp|cnp)\//.test(ids["policy"] ?? ""));
    t.strictSame(left(), []);
  });
});
