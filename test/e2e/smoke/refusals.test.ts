// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ping } from "../../../hack/traffic/probe.ts";
import { PODS, SUBNETS } from "../../../src/kube/resources.ts";
import { sameInventory, takeInventory } from "../testing/inventory.ts";
import {
  addressesOf,
  idlePod,
  inPod,
  isReady,
  ready,
  remove,
  run,
  standingPods,
  useNamespace,
} from "../testing/pods.ts";
import { judged, readiness, switchOf, useSubnet } from "../testing/subnets.ts";
import { timed, when } from "../testing/when.ts";
import { type EventThing, openWorld, type World, whyNoLab } from "../testing/world.ts";

const SMALL = "weft-small";

let world: World;

/** Waits for Weft's Event about an object whose message contains `text`. */
function eventAbout(kind: string, name: string, reason: string, text: string): Promise<EventThing> {
  const isIt = ({ involvedObject, ...event }: EventThing): boolean =>
    involvedObject.kind === kind &&
    involvedObject.name === name &&
    event.reason === reason &&
    event.message.includes(text) &&
    event.source.component === "kube-ovn-controller";
  return when(
    (listener) => world.events.subscribe(listener),
    () => world.events.values().find(isIt),
    `an Event ${reason} on ${kind} ${name} that says "${text}"`,
    10_000,
  );
}

t.test(
  "invalid objects are refused by the API server or in a condition or an Event",
  { skip: whyNoLab() },
  async (t) => {
    world = await openWorld(t);
    const before = await takeInventory(world);
    const namespace = await useNamespace(t, world, "weft-refusals");

    await t.test("kubectl apply refuses a subnet with an invalid CIDR", async (t) => {
      const subnet = {
        apiVersion: "kubeovn.io/v1",
        kind: "Subnet",
        metadata: { name: "bad" },
        spec: { cidrBlock: "10.40.0.0/33" },
      };
      const { code, stderr } = await world.lab.kubectl(["apply", "-f", "-"], {
        input: JSON.stringify(subnet),
        allowFailure: true,
      });
      t.not(code, 0);
      t.match(stderr, 'cidrBlock "10.40.0.0/33"');
    });

    await t.test("kubectl apply refuses a malformed annotation, and says what would be accepted", async (t) => {
      const apply = (object: object) =>
        world.lab.kubectl(["apply", "-f", "-"], { input: JSON.stringify(object), allowFailure: true });
      const annotations = { "ovn.kubernetes.io/ip_address": "10.10.10.10.10" };
      const pod = await apply({ apiVersion: "v1", kind: "Pod", ...idlePod(namespace, "bad", "weft-1", annotations) });
      t.not(pod.code, 0);
      t.match(pod.stderr, 'ovn.kubernetes.io/ip_address is "10.10.10.10.10"; write one address');
      const mac = { "net1.tenant.ovn.kubernetes.io/mac_address": "01:00:5e:00:00:01" };
      const further = await apply({ apiVersion: "v1", kind: "Pod", ...idlePod(namespace, "bad", "weft-1", mac) });
      t.match(further.stderr, 'mac_address is "01:00:5e:00:00:01"; write six bytes');
      const vpc = { namespace, name: "bad", annotations: { "ovn.kubernetes.io/vpc": "no vpc" } };
      const service = await apply({
        apiVersion: "v1",
        kind: "Service",
        metadata: vpc,
        spec: { ports: [{ port: 80 }] },
      });
      t.match(service.stderr, 'ovn.kubernetes.io/vpc is "no vpc"; write the name of an object');
    });

    await t.test("a subnet that contains a node's address is not ready, and says which", async (t) => {
      await useSubnet(t, world, "weft-nodes", { cidrBlock: "172.18.0.0/24" });
      const { status, message } = await judged(world, "weft-nodes", "NodeConflict");
      t.equal(status, "False");
      t.match(message, "172.18.0.11, the address of node weft-1");
      t.match(await eventAbout("Subnet", "weft-nodes", "NodeConflict", "172.18.0.11"), { type: "Warning" });
      t.equal(switchOf(world, "weft-nodes"), undefined, "it has no switch");
    });

    await t.test(
      "of two subnets that overlap in a VPC the first one keeps working, and the second one's condition says why it does not",
      async (t) => {
        await useSubnet(t, world, "weft-first", { cidrBlock: "10.41.0.0/16" });
        await judged(world, "weft-first");
        const before = await world.nb.until("the first has a switch", () => switchOf(world, "weft-first"));
        await useSubnet(t, world, "weft-second", { cidrBlock: "10.41.128.0/24" });
        const { status, message } = await judged(world, "weft-second", "SubnetConflict");
        t.equal(status, "False");
        t.match(message, "10.41.128.0/24 overlaps 10.41.0.0/16 of subnet weft-first");
        await eventAbout("Subnet", "weft-second", "SubnetConflict", "weft-first");
        t.match(readiness(world.subnets.get("weft-first")), { status: "True" });
        t.strictSame(switchOf(world, "weft-first"), before);
        t.equal(switchOf(world, "weft-second"), undefined);
        // The gateway is removed too, because it was filled in for the old range.
        const spec = { cidrBlock: "10.42.0.0/24", gateway: "10.42.0.1", excludeIps: ["10.42.0.1"] };
        await world.kube.patch(SUBNETS, { name: "weft-second" }, { type: "merge", body: { spec } });
        t.match(await judged(world, "weft-second"), { status: "True" }, "corrected, it is accepted");
        await world.nb.until("the second has a switch", () => switchOf(world, "weft-second"));
      },
    );

    // The gateway uses one of its two addresses.
    await useSubnet(t, world, SMALL, { cidrBlock: "10.43.0.0/30", namespaces: [namespace] });
    await t.test(
      "a pod of a full subnet waits, its Event says for what, and it gets the next free address",
      async (t) => {
        await judged(world, SMALL);
        const [first] = await run(world, [idlePod(namespace, "first", "weft-1")]);
        t.strictSame(addressesOf(first!), ["10.43.0.2", "(none)"]);
        await world.kube.create(PODS, idlePod(namespace, "second", "weft-1"));
        const event = await eventAbout(
          "Pod",
          "second",
          "AcquireAddressFailed",
          `Subnet "${SMALL}" has no free IPv4 address`,
        );
        t.match(event, { type: "Warning", message: "enlarge cidrBlock" });
        const waiting = world.pods.get(`${namespace}/second`);
        t.notOk(isReady(waiting));
        t.equal(world.nb.port(`second.${namespace}`), undefined, "it has no port");
        await world.kube.delete(PODS, { namespace, name: "first" }, { gracePeriodSeconds: 0 });
        const { result, took } = await timed(() => ready(world, namespace, ["second"]));
        t.comment(`Ready ${took} after the first was deleted`);
        t.strictSame(addressesOf(result[0]!), ["10.43.0.2", "(none)"]);
      },
    );

    await t.test("a subnet is removed when its last address has been released", async (t) => {
      const [pod] = await ready(world, namespace, ["second"]);
      await world.kube.delete(SUBNETS, { name: SMALL });
      const { message } = await judged(world, SMALL, "InUse");
      t.match(message, `waiting for addresses to be released: second.${namespace}`);
      await eventAbout("Subnet", SMALL, "InUse", `second.${namespace}`);
      t.match(await ping(inPod(pod!), "10.43.0.1"), { ok: true }, "its pod works on");
      await remove(world, namespace, ["second"]);
      await world.subnets.gone(SMALL);
      await world.nb.until("its switch is gone", () => switchOf(world, SMALL) === undefined);
    });

    await t.test("an invalid annotation causes an Event that quotes it", async (t) => {
      const [taken] = await standingPods(world);
      const [held] = addressesOf(taken!);
      const holder = `IP "${taken!.metadata.name}.${taken!.metadata.namespace}"`;
      const heldMac = taken!.metadata.annotations?.["ovn.kubernetes.io/mac_address"] ?? "";
      const router = [...world.nb.mirror.rows("Logical_Router_Port")].find((row) => row.name === "ovn-cluster-join");
      // Pod → its annotations → the text of its Event: the value, its owner, and what would be accepted.
      const cases: Readonly<Record<string, readonly [Record<string, string>, ...string[]]>> = {
        elsewhere: [
          { ip_address: "192.0.2.7" },
          'AddressOutOfRange: 192.0.2.7 is not in subnet "ovn-default"',
          "(10.16.0.0/16",
          "choose an address of that subnet",
        ],
        gateway: [
          { ip_address: "10.16.0.1" },
          "AddressConflict: 10.16.0.1 is the gateway of subnet",
          "choose another address",
        ],
        network: [
          { ip_address: "10.16.0.0" },
          "10.16.0.0 is the network address",
          "choose another address of 10.16.0.0/16",
        ],
        broadcast: [
          { ip_address: "10.16.255.255" },
          "10.16.255.255 is the broadcast address",
          "choose another address",
        ],
        held: [
          { ip_address: held },
          `AddressConflict: ${held} in subnet "ovn-default" is in use by ${holder}`,
          "choose another address",
        ],
        family: [{ ip_address: "10.16.0.77", ip_family: "ipv6" }, "10.16.0.77", "is IPv4, but ip_family requests ipv6"],
        "no-subnet": [
          { logical_switch: "ovn-defualt" },
          'Subnet "ovn-defualt" does not exist',
          '"ovn-default" may be meant',
        ],
        "no-pool": [{ ip_pool: "no-such-pool" }, 'IPPool "no-such-pool" does not exist', "create it"],
        "short-list": [
          { ip_pool: `${held},10.16.0.1` },
          `${held} is in use by ${holder}`,
          "release one or add another",
        ],
        "held-mac": [{ mac_address: heldMac }, `AddressConflict: MAC address ${heldMac} is in use by ${holder}`],
        "router-mac": [{ mac_address: router!.mac }, `${router!.mac} is in use by the gateway of subnet "join"`],
        typo: [
          { ip_adress: "10.16.0.77" },
          '"ovn.kubernetes.io/ip_adress"',
          '"ovn.kubernetes.io/ip_address" may be meant',
        ],
      };
      const ours = (annotations: Record<string, string>): Record<string, string> =>
        Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`ovn.kubernetes.io/${key}`, value]));
      const pods = Object.entries(cases).map(([name, [wish]]) => idlePod(namespace, name, "weft-2", ours(wish)));
      const slip = { "ovn.kubernets.io/ip_address": "10.16.0.77" };
      for (const pod of [...pods, idlePod(namespace, "slip", "weft-2", slip)]) await world.kube.create(PODS, pod);
      for (const [name, [wish, ...says]] of Object.entries(cases)) {
        for (const text of says) await eventAbout("Pod", name, "AcquireAddressFailed", text);
        t.pass(JSON.stringify(wish));
      }
      await eventAbout("Pod", "slip", "AcquireAddressFailed", 'Annotation "ovn.kubernets.io/ip_address" is unknown');
      // The same object with valid values.
      const fixed = { "ovn.kubernetes.io/ip_address": "10.16.77.7,fd00:10:16::777" };
      const [pod] = await run(world, [idlePod(namespace, "fixed", "weft-2", fixed)]);
      t.strictSame(addressesOf(pod!), ["10.16.77.7", "fd00:10:16::777"]);
    });

    const names = world.pods.values().filter(({ metadata }) => metadata.namespace === namespace);
    await remove(
      world,
      namespace,
      names.map(({ metadata }) => metadata.name),
    );
    await sameInventory(t, world, before, "nothing is left of any of these");
  },
);
