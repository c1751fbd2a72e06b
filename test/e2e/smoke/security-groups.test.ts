// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { datagramStream, echoServer } from "../../../hack/traffic/stream.ts";
import { PODS, SECURITY_GROUPS, SUBNETS } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, inNode, run, useNamespace, webPod } from "../testing/pods.ts";
import { connects, settles } from "../testing/policies.ts";
import { useSecurityGroups } from "../testing/security-groups.ts";
import { judged, readiness, switchOf, useSubnet } from "../testing/subnets.ts";
import { when } from "../testing/when.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const NAMESPACE = "weft-sg";
const FRONT = "weft-front";
const BACK = "weft-back";
/** A name with a `.`, so that the name in OVN has a digest. */
const LATE = "weft.late";
const LOWER = "weft-lower";
const SUBNET = "weft-private";
const GROUPS = "ovn.kubernetes.io/security_groups";

/** One rule for each family. */
function both(rule: object, v4 = "0.0.0.0/0", v6 = "::/0"): readonly object[] {
  const common = { priority: 10, policy: "allow", remoteType: "address", ...rule };
  return [
    { ...common, ipVersion: "ipv4", ...(common.remoteType === "address" && { remoteAddress: v4 }) },
    { ...common, ipVersion: "ipv6", ...(common.remoteType === "address" && { remoteAddress: v6 }) },
  ];
}

/** Asserts that a flow of datagrams is echoed until `change` is active, and not any more afterwards. */
async function endsWith(t: Test, from: Thing, to: Thing, change: () => Promise<unknown>): Promise<void> {
  const netns = (pod: Thing): string => podNetns(pod.metadata.uid);
  const server = await echoServer(netns(to), 9000);
  const stream = await datagramStream(netns(from), addressesOf(to)[0], 9000, 5);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const changed = Date.now();
  await change();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const shots = await stream.stop();
  await server.stop();
  const last = shots.findLast(({ echoed }) => echoed !== undefined);
  t.ok(last !== undefined && last.sent > changed - 100, "it was echoed until the change");
  t.ok(last !== undefined && last.sent < changed + 1000, "and is not any more");
  t.comment(`cut ${((last?.sent ?? changed) - changed).toFixed(0)} ms after the change`);
}

const HTTP = { protocol: "tcp", portRangeMin: 8080, portRangeMax: 8080 };

t.test("packets follow SecurityGroups", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const groups = await useSecurityGroups(t, world, [FRONT, BACK, LATE, LOWER]);
  const create = (name: string, spec: object): Promise<unknown> =>
    world.kube.create(SECURITY_GROUPS, { metadata: { name }, spec });
  const change = (name: string, spec: object): Promise<unknown> =>
    world.kube.patch(SECURITY_GROUPS, { name }, { type: "merge", body: { spec } });
  const said = (name: string, reason: string): Promise<string> =>
    groups.until(name, `is ${reason}`, (group) => {
      const condition = readiness(group);
      return condition?.reason === reason && condition.message;
    });

  await useNamespace(t, world, NAMESPACE);
  await create(FRONT, { egressRules: both({}) });
  await create(BACK, { ingressRules: both({ ...HTTP, remoteType: "securityGroup", remoteSecurityGroup: FRONT }) });
  await Promise.all([said(FRONT, "Ready"), said(BACK, "Ready")]);
  const [front, back, late, plain] = (await run(world, [
    webPod(NAMESPACE, "front", "weft-1", { [GROUPS]: FRONT }),
    webPod(NAMESPACE, "back", "weft-2", { [GROUPS]: BACK }),
    webPod(NAMESPACE, "late", "weft-1", { [GROUPS]: LATE }),
    webPod(NAMESPACE, "plain", "weft-2"),
  ])) as readonly [Thing, Thing, Thing, Thing];

  await t.test("members of the group that a rule names are allowed, all others denied", async (t) => {
    await settles(front, back, 8080, true);
    await settles(plain, back, 8080, false);
    await settles(back, plain, 8080, false);
    await settles(plain, front, 8080, false);
    for (const address of addressesOf(back)) {
      t.ok(await connects(inNode(world, "weft-2"), address, 8080), `its own node reaches ${address}, as probes do`);
    }
    const { portGroup, ingressLastSyncSuccess } = groups.get(BACK)?.status ?? {};
    t.same([portGroup, ingressLastSyncSuccess], ["ovn.sg.weft.back", true]);
  });

  await t.test(
    "a pod whose group does not exist is denied and gets an Event, and is allowed as soon as the group exists",
    async (t) => {
      await settles(plain, late, 8080, false);
      await settles(late, plain, 8080, false);
      const event = await when(
        (listener) => world.events.subscribe(listener),
        () =>
          world.events
            .values()
            .find(({ involvedObject: { name }, reason }) => name === "late" && reason === "SecurityGroupNotFound"),
        "an Event about the pod",
        20_000,
      );
      t.match(
        event.message,
        `security group "${LATE}" does not exist; all traffic of the pod is dropped until it is created`,
      );
      await create(LATE, { ingressRules: both(HTTP) });
      await settles(plain, late, 8080, true);
      await settles(late, plain, 8080, false);
    },
  );

  await t.test("added and removed rules apply at once, also to running pods", async () => {
    await change(BACK, { ingressRules: [] });
    await settles(front, back, 8080, false);
    const [v4, v6] = addressesOf(plain);
    await change(BACK, { ingressRules: both(HTTP, v4, v6) });
    await settles(plain, back, 8080, true);
    await settles(front, back, 8080, false);
    await change(BACK, {
      ingressRules: [...both(HTTP, v4, v6), ...both({ ...HTTP, priority: 9, policy: "drop" }, v4, v6)],
    });
    await settles(plain, back, 8080, false);
  });

  await t.test("an established flow ends when the rule that allowed it is removed, on either side", async (t) => {
    const udp = { protocol: "udp", portRangeMin: 9000, portRangeMax: 9000 };
    const open = (): Promise<unknown> =>
      change(BACK, { ingressRules: both({ ...udp, remoteType: "securityGroup", remoteSecurityGroup: FRONT }) });
    await open();
    await endsWith(t, front, back, () => change(BACK, { ingressRules: [] }));
    await open();
    await endsWith(t, front, back, () => change(FRONT, { egressRules: [] }));
    await change(FRONT, { egressRules: both({}) });
  });

  await t.test("the lower tier decides about traffic that the upper one passes", async () => {
    await change(BACK, { ingressRules: both({ policy: "pass" }) });
    await create(LOWER, { tier: 1, ingressRules: both(HTTP) });
    await settles(plain, back, 8080, false);
    const annotations = { [GROUPS]: `${BACK},${LOWER}` };
    await world.kube.patch(
      PODS,
      { namespace: NAMESPACE, name: "back" },
      { type: "merge", body: { metadata: { annotations } } },
    );
    await settles(plain, back, 8080, true);
  });

  await t.test(
    "a running pod joins and leaves groups by its annotation, and members reach each other if allowed",
    async () => {
      const name = (names: string | null): Promise<unknown> =>
        world.kube.patch(
          PODS,
          { namespace: NAMESPACE, name: "plain" },
          { type: "merge", body: { metadata: { annotations: { [GROUPS]: names } } } },
        );
      await settles(plain, late, 8080, true);
      await name(FRONT);
      await settles(late, plain, 8080, false);
      await settles(front, plain, 8080, false);
      await change(FRONT, { allowSameGroupTraffic: true });
      await settles(front, plain, 8080, true);
      await name(null);
      await change(LATE, { egressRules: both({}) });
      await settles(late, plain, 8080, true);
    },
  );

  await t.test("a rule without a valid peer matches nothing, and an Event names it", async (t) => {
    await change(LATE, {
      ingressRules: both({ ...HTTP, remoteType: "securityGroup", remoteSecurityGroup: "weft-ghost" }),
    });
    t.match(
      await said(LATE, "SecurityGroupNotFound"),
      'spec.ingressRules[0]: security group "weft-ghost" does not exist; the rule allows nothing',
    );
    await settles(plain, late, 8080, false);
  });

  await t.test("a private subnet communicates only with its own pods, nodes and allowed subnets", async (t) => {
    const cidrs = ["10.49.0.0/24", "fd00:10:49::/120"];
    await useSubnet(t, world, SUBNET, { cidrBlock: cidrs.join(","), private: true });
    await judged(world, SUBNET);
    const inside = { "ovn.kubernetes.io/logical_switch": SUBNET };
    const [near, far] = (await run(world, [
      webPod(NAMESPACE, "near", "weft-1", inside),
      webPod(NAMESPACE, "far", "weft-2", inside),
    ])) as readonly [Thing, Thing];
    await settles(near, far, 8080, true);
    await settles(plain, far, 8080, false);
    await settles(near, plain, 8080, false);
    for (const node of ["weft-1", "weft-2"]) {
      for (const address of addressesOf(far))
        t.ok(await connects(inNode(world, node), address, 8080), `${node} reaches ${address}`);
    }
    const update = (spec: object): Promise<unknown> =>
      world.kube.patch(SUBNETS, { name: SUBNET }, { type: "merge", body: { spec } });
    const allowSubnets = addressesOf(plain).map((address) => `${address}/${address.includes(":") ? 128 : 32}`);
    await update({ allowSubnets });
    await settles(plain, far, 8080, true);
    await settles(near, plain, 8080, true);
    await endsWith(t, plain, far, () => update({ allowSubnets: [] }));
    await update({
      allowSubnets,
      acls: [{ direction: "to-lport", priority: 1002, match: "tcp.dst == 8080", action: "drop" }],
    });
    await settles(plain, far, 8080, false);
    await settles(near, far, 8080, false);
    await update({ allowEWTraffic: true });
    await settles(near, far, 8080, true);
    await settles(plain, far, 8080, false);
    await update({ acls: [{ direction: "to-lport", priority: 1002, match: "tcp.dst = 8080", action: "drop" }] });
    const { message } = await judged(world, SUBNET, "InvalidMatch");
    t.match(
      message,
      /^spec\.acls\[0\]\.match: "tcp\.dst = 8080" is not a valid match: .*; the rule drops all IP traffic of to-lport$/,
    );
    await settles(plain, far, 8080, false);
    await update({ acls: [], private: false, allowEWTraffic: false });
    await judged(world, SUBNET);
    await settles(plain, far, 8080, true);
    const left = (switchOf(world, SUBNET)?.acls ?? []).map((uuid) => world.nb.mirror.get("ACL", uuid)?.external_ids);
    // Every switch drops spoofed sources.
    t.ok(left.length > 0 && left.every((ids) => ids?.["sources"] !== undefined), "nothing of it is left on its switch");
  });
});
