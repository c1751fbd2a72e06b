// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { SECURITY_GROUPS, VPCS } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import { type PodManifest, run, useNamespace, webPod } from "../testing/pods.ts";
import { createPolicy, deletePolicy, settles } from "../testing/policies.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

/** The first two have the same range; the third is peered with the first. */
const VPC = { one: "weft-one", two: "weft-two", three: "weft-three" } as const;
type Vpc = keyof typeof VPC;
const NET: Readonly<Record<Vpc, { readonly v4: string; readonly v6: string }>> = {
  one: { v4: "10.94.0", v6: "fd00:94:" },
  two: { v4: "10.94.0", v6: "fd00:94:" },
  three: { v4: "10.95.0", v6: "fd00:95:" },
};
const [FRIENDS, STRANGERS, SHOP] = ["weft-friends", "weft-strangers", "weft-shop"] as const;
const PORT = 8080;

t.setTimeout(300_000);

t.test("policies in VPCs with the same addresses", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const [near = "", far = ""] = world.lab.nodes;
  for (const name of [FRIENDS, STRANGERS, SHOP]) await useNamespace(t, world, name);
  const link = (remoteVpc: string, n: number) => ({
    vpcPeerings: [{ remoteVpc, localConnectIP: `169.254.94.${n}/30,fd69:94::${n}/126` }],
  });
  const route = (cidr: string, nextHopIP: string) => ({ cidr, nextHopIP });
  const spec: Readonly<Record<Vpc, object>> = {
    one: {
      ...link(VPC.three, 1),
      staticRoutes: [route("10.95.0.0/24", "169.254.94.2"), route("fd00:95::/120", "fd69:94::2")],
    },
    two: {},
    three: {
      ...link(VPC.one, 2),
      staticRoutes: [route("10.94.0.0/24", "169.254.94.1"), route("fd00:94::/120", "fd69:94::1")],
    },
  };
  for (const key of ["one", "two", "three"] as const) {
    const name = VPC[key];
    if (world.vpcs.get(name) !== undefined) {
      await world.kube.delete(VPCS, { name });
      await world.vpcs.gone(name);
    }
    await world.kube.create(VPCS, { metadata: { name }, spec: spec[key] });
    t.teardown(async () => {
      if (world.vpcs.get(name) !== undefined) await world.kube.delete(VPCS, { name });
    });
    const cidrBlock = `${NET[key].v4}.0/24,${NET[key].v6}:/120`;
    await useSubnet(t, world, `${name}-pods`, { vpc: name, cidrBlock });
    await judged(world, `${name}-pods`);
  }
  await world.vpcs.until(VPC.one, "is peered", (vpc) => vpc?.status?.vpcPeerings?.includes(VPC.three) === true);

  const manifest = (ns: string, vpc: Vpc, name: string, host: number, node: string, group?: string): PodManifest =>
    webPod(ns, name, node, {
      "ovn.kubernetes.io/logical_switch": `${VPC[vpc]}-pods`,
      "ovn.kubernetes.io/ip_address": `${NET[vpc].v4}.${host},${NET[vpc].v6}:${host.toString(16)}`,
      ...(group !== undefined && { "ovn.kubernetes.io/security_groups": group }),
    });
  const make = async (...manifests: readonly PodManifest[]): Promise<readonly Thing[]> => run(world, manifests);
  const [serverOne, serverTwo] = await make(
    manifest(SHOP, "one", "server-one", 20, near),
    manifest(SHOP, "two", "server-two", 20, near),
  );
  // The friend of one VPC and the stranger of the other have the same address, for both VPCs and on either node.
  const [friendOne, friendTwo, friendThree] = await make(
    manifest(FRIENDS, "one", "friend-one", 11, near),
    manifest(FRIENDS, "two", "friend-two", 12, far),
    manifest(FRIENDS, "three", "friend-three", 11, far),
  );
  const [strangerOne, strangerTwo, strangerThree] = await make(
    manifest(STRANGERS, "one", "stranger-one", 12, near),
    manifest(STRANGERS, "two", "stranger-two", 11, far),
    manifest(STRANGERS, "three", "stranger-three", 12, far),
  );
  if (serverOne === undefined || serverTwo === undefined) throw new Error("no servers");
  if (friendOne === undefined || friendTwo === undefined || friendThree === undefined) throw new Error("no friends");
  if (strangerOne === undefined || strangerTwo === undefined || strangerThree === undefined)
    throw new Error("no strangers");
  const friends = [
    [friendOne, serverOne],
    [friendTwo, serverTwo],
    [friendThree, serverOne],
  ] as const;
  const strangers = [
    [strangerOne, serverOne],
    [strangerTwo, serverTwo],
    [strangerThree, serverOne],
  ] as const;
  const all = [...friends, ...strangers];
  const both = async (pairs: readonly (readonly [Thing, Thing])[], open: boolean, t: Test): Promise<void> => {
    for (const [client, server] of pairs) {
      await settles(client, server, PORT, open);
      await settles(server, client, PORT, open);
      t.pass(`${client.metadata.name} and ${server.metadata.name}: ${open ? "open" : "closed"}`);
    }
  };

  await t.test("all pods of a VPC and of a peered one reach the servers while there is no policy", async (t) => {
    await both(all, true, t);
  });

  await t.test("a stranger with a friend's address is denied, in both directions; friends are not", async (t) => {
    const peers = [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": FRIENDS } } }];
    const spec = {
      podSelector: {},
      policyTypes: ["Ingress", "Egress"],
      ingress: [{ from: peers }],
      egress: [{ to: peers }],
    };
    await createPolicy(world, SHOP, "friends", spec);
    await both(strangers, false, t);
    await both(friends, true, t);
    await deletePolicy(world, SHOP, "friends");
    await both(all, true, t);
  });

  await t.test("the first pod of a VPC that a policy selects is closed from its first packet", async (t) => {
    const peers = [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": FRIENDS } } }];
    const selected = { matchLabels: { app: "late" } };
    await createPolicy(world, SHOP, "late", { podSelector: selected, ingress: [{ from: peers }] });
    const [late] = await make(manifest(SHOP, "two", "late", 30, far));
    if (late === undefined) throw new Error("no pod");
    await settles(strangerTwo, late, PORT, false, 1);
    t.pass("closed at once");
    await settles(friendTwo, late, PORT, true);
    await deletePolicy(world, SHOP, "late");
    await settles(strangerTwo, late, PORT, true);
  });

  await t.test("members of a SecurityGroup allow its members, but not other pods with their addresses", async (t) => {
    const name = "weft-mates";
    await world.kube.create(SECURITY_GROUPS, { metadata: { name }, spec: { allowSameGroupTraffic: true } });
    t.teardown(() => world.kube.delete(SECURITY_GROUPS, { name }));
    const [a, b, two] = await make(
      manifest(SHOP, "one", "mate-a", 41, near, name),
      manifest(SHOP, "one", "mate-b", 42, far, name),
      manifest(SHOP, "two", "mate-two", 43, far, name),
    );
    const [other] = await make(manifest(SHOP, "two", "no-mate", 41, near));
    if (a === undefined || b === undefined || two === undefined || other === undefined) throw new Error("no mates");
    await settles(a, b, PORT, true);
    await settles(b, a, PORT, true);
    await settles(other, two, PORT, false);
    t.pass("a mate's address in another VPC does not help");
  });
});
