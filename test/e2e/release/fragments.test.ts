// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { LineProgram } from "../../../hack/traffic/lines.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { receiver, sendDatagram } from "../../../hack/traffic/stream.ts";
import { SECURITY_GROUPS, SERVICES } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, idlePod, run, useNamespace } from "../testing/pods.ts";
import { createPolicy, policyApplies } from "../testing/policies.ts";
import { useSecurityGroups } from "../testing/security-groups.ts";
import { readiness } from "../testing/subnets.ts";
import { openWorld, syncNodes, whyNoLab } from "../testing/world.ts";

const NAMESPACE = "weft-fragments";
const GROUP = "weft-fragments";
const GROUPS = "ovn.kubernetes.io/security_groups";
const OPEN = 9000;
const CLOSED = 9001;
/** The Services' port; their endpoints listen on OPEN. */
const SERVICE = 81;
/** Sizes of datagrams: one that fits into a packet, and one that does not. */
const SIZES = [100, 3000] as const;

/** Waits until all of these datagrams have arrived. */
function arrived(listener: LineProgram, expected: readonly string[]): Promise<void> {
  return listener.until("each datagram comes", (lines) => expected.every((one) => lines.includes(one)), 20_000);
}

t.test("a rule for a port applies to datagrams larger than the MTU", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const [first = "", second = ""] = world.lab.nodes;
  const groups = await useSecurityGroups(t, world, [GROUP]);
  const rules = (["ipv4", "ipv6"] as const).map((ipVersion) => ({
    ...{ ipVersion, priority: 10, policy: "allow", protocol: "udp", portRangeMin: OPEN, portRangeMax: OPEN },
    ...{ remoteType: "address", remoteAddress: ipVersion === "ipv4" ? "0.0.0.0/0" : "::/0" },
  }));
  await world.kube.create(SECURITY_GROUPS, {
    metadata: { name: GROUP },
    spec: { ingressRules: rules, egressRules: rules },
  } as never);
  await groups.until(GROUP, "is Ready", (group) => readiness(group)?.reason === "Ready");
  await useNamespace(t, world, NAMESPACE);
  const [plain, guarded, limited, grouped] = (await run(world, [
    idlePod(NAMESPACE, "plain", first),
    idlePod(NAMESPACE, "guarded", second),
    idlePod(NAMESPACE, "limited", first),
    idlePod(NAMESPACE, "grouped", second, { [GROUPS]: GROUP }),
  ])) as [Thing, Thing, Thing, Thing];
  const ports = [{ protocol: "UDP", port: OPEN }];
  await createPolicy(world, NAMESPACE, "in", {
    podSelector: { matchLabels: { app: "guarded" } },
    policyTypes: ["Ingress"],
    ingress: [{ from: [{ podSelector: {} }], ports }],
  });
  await createPolicy(world, NAMESPACE, "out", {
    podSelector: { matchLabels: { app: "limited" } },
    policyTypes: ["Egress"],
    egress: [{ ports }],
  });
  await policyApplies(world, NAMESPACE, "in");
  await policyApplies(world, NAMESPACE, "out");
  const netns = (pod: Thing): string => podNetns(pod.metadata.uid);

  for (const [how, from, to] of [
    ["a policy for what comes in", plain, guarded],
    ["a policy for what leaves", limited, plain],
    ["a group for what comes in", plain, grouped],
    ["a group for what leaves", grouped, plain],
  ] as const) {
    await t.test(`${how}: all sizes reach the port that it names, and none another port`, async (t) => {
      const listeners = [await receiver(netns(to), OPEN), await receiver(netns(to), CLOSED)] as const;
      const sent = addressesOf(to).flatMap((address) =>
        SIZES.flatMap((bytes) => [CLOSED, OPEN].map((port) => ({ address, bytes, port }))),
      );
      await Promise.all(sent.map(({ address, bytes, port }) => sendDatagram(netns(from), "", address, port, bytes)));
      await sendDatagram(netns(from), "", addressesOf(to)[0], OPEN, 1);
      const expected = addressesOf(from).flatMap((address) => SIZES.map((bytes) => `${address} ${bytes}`));
      expected.push(`${addressesOf(from)[0]} 1`);
      await arrived(listeners[0], expected);
      const [open, closed] = await Promise.all(listeners.map((listener) => listener.stop()));
      t.same([...(open ?? [])].sort(), expected.sort());
      t.same(closed, []);
    });
  }

  const central = ["--namespace=kube-system", "exec", "deployment/ovn-central", "--"];
  const { stdout } = await world.lab.kubectl([...central, "ovn-northd", "--version"]);
  const [, major = "0"] = /^ovn-northd ([0-9]+)[.]/.exec(stdout) ?? [];
  const skip = Number(major) < 26 && `OVN ${major} looks for a Service's port in each fragment of the first datagram`;
  await t.test("a client's first datagram to a Service may be larger than the MTU", { skip }, async (t) => {
    for (const [from, to] of [
      [plain, guarded],
      [limited, plain],
    ] as const) {
      const { name } = to.metadata;
      const made = (await world.kube.create(SERVICES, {
        metadata: { namespace: NAMESPACE, name },
        spec: {
          ipFamilyPolicy: "RequireDualStack",
          selector: { app: name },
          ports: [{ protocol: "UDP", port: SERVICE, targetPort: OPEN }],
        },
      } as never)) as Thing;
      const addresses: readonly string[] = made.spec.clusterIPs;
      await world.nb.until(`${name} has endpoints`, () =>
        [...world.nb.mirror.rows("Load_Balancer")].some(
          (row) => row.name === `${NAMESPACE}/${name}/udp` && Object.values(row.vips).every((list) => list !== ""),
        ),
      );
      await syncNodes(world);
      const listener = await receiver(netns(to), OPEN);
      // Each from a socket of its own.
      for (const address of addresses) {
        for (const bytes of SIZES) await sendDatagram(netns(from), "", address, SERVICE, bytes);
      }
      const expected = addressesOf(from).flatMap((address) => SIZES.map((bytes) => `${address} ${bytes}`));
      await arrived(listener, expected);
      t.same([...(await listener.stop())].sort(), expected.sort(), `${from.metadata.name} to ${name}`);
    }
  });
});
