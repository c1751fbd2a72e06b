// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { SECURITY_GROUPS, SERVICES } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, inPod, run, useNamespace, webPod } from "../testing/pods.ts";
import { connects } from "../testing/policies.ts";
import { useSecurityGroups } from "../testing/security-groups.ts";
import { readiness } from "../testing/subnets.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const NAMESPACE = "weft-egress";
const NAMING = "weft-naming";
const DROPPING = "weft-dropping";
const GROUPS = "ovn.kubernetes.io/security_groups";
const ANY = { priority: 10, policy: "allow", remoteType: "address", protocol: "all" } as const;

/** A rule for an address. */
function rule(address: string, change: object = {}): object {
  const ipVersion = address.includes(":") ? "ipv6" : "ipv4";
  return { ...ANY, ipVersion, remoteAddress: address, ...change };
}

t.test("a rule about a Service applies to all packets of a connection", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const [first = "", second = ""] = world.lab.nodes;
  const groups = await useSecurityGroups(t, world, [NAMING, DROPPING]);
  await useNamespace(t, world, NAMESPACE);
  const [server] = (await run(world, [webPod(NAMESPACE, "server", second)])) as [Thing];
  const made = (await world.kube.create(SERVICES, {
    metadata: { namespace: NAMESPACE, name: "web" },
    spec: {
      ipFamilyPolicy: "RequireDualStack",
      selector: { app: "server" },
      ports: [
        { name: "tcp", protocol: "TCP", port: 80, targetPort: 8080 },
        { name: "udp", protocol: "UDP", port: 81, targetPort: 8081 },
      ],
    },
  } as never)) as Thing;
  const virtual: readonly string[] = made.spec.clusterIPs;
  const create = async (name: string, egressRules: readonly object[]): Promise<void> => {
    await world.kube.create(SECURITY_GROUPS, { metadata: { name }, spec: { egressRules } });
    await groups.until(name, "is Ready", (group) => readiness(group)?.reason === "Ready");
  };
  await create(
    NAMING,
    virtual.map((address) => rule(address)),
  );
  await create(DROPPING, [
    ...addressesOf(server).map((address) => rule(address, { priority: 1, policy: "drop" })),
    rule("0.0.0.0/0"),
    rule("::/0"),
  ]);
  const [naming, dropping] = (await run(world, [
    webPod(NAMESPACE, "naming", first, { [GROUPS]: NAMING }),
    webPod(NAMESPACE, "dropping", first, { [GROUPS]: DROPPING }),
  ])) as [Thing, Thing];

  /** The number of datagrams from one socket to the Service that are answered. */
  const answered = async (from: Thing, address: string): Promise<{ sent: number; answers: number }> => {
    const script = `exec 3<>/dev/udp/${address}/81; for i in 1 2 3 4 5; do printf hostname >&3; timeout 1 dd bs=512 count=1 <&3 2>/dev/null; echo; done`;
    const { stdout } = await inPod(from)(["bash", "-c", script]);
    return { sent: 5, answers: stdout.split("\n").filter((line) => line === "server").length };
  };

  await t.test("a rule that names it allows every packet, over TCP and UDP", async (t) => {
    for (const address of virtual) {
      await until(`TCP to ${address}`, 15_000, () => connects(inPod(naming), address, 80));
      t.same(await answered(naming, address), { sent: 5, answers: 5 }, `UDP to ${address}`);
    }
    t.notOk(await connects(inPod(naming), addressesOf(dropping)[0], 8080), "and nothing else");
  });

  await t.test("rules that drop packets to all of its endpoints allow none", async (t) => {
    for (const address of virtual) {
      t.notOk(await connects(inPod(dropping), address, 80), `TCP to ${address}`);
      t.same(await answered(dropping, address), { sent: 5, answers: 0 }, `UDP to ${address}`);
    }
  });
});
