// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { ping } from "../../../hack/traffic/probe.ts";
import { CNI_ERROR, CNI_VERSIONS, DEFAULT_SERVER_SOCKET } from "../../../src/api/cni-message.ts";
import { PODS } from "../../../src/kube/resources.ts";
import { VSWITCH } from "../../../src/ovsdb/generated/vswitch.ts";
import { insert, mutate } from "../../../src/ovsdb/operation.ts";
import { takeInventory } from "../testing/inventory.ts";
import type { Thing } from "../testing/objects.ts";
import { callPlugin, configuration, makeNetns, type PluginParameters, type PluginRun } from "../testing/plugin.ts";
import {
  addressesOf,
  idlePod,
  inPod,
  sandboxlessPod,
  standingPods,
  useNamespace,
  withoutRestarts,
} from "../testing/pods.ts";
import { killContainer, PROGRAM, requireProcess } from "../testing/processes.ts";
import { timed } from "../testing/when.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const NODE = "weft-1";
const V11 = configuration("1.1.0");

let world: World;
let namespace: string;
/** The standing pods. */
let peers: readonly Thing[];

/** Calls the plugin on NODE. */
function call(verb: string, stdin: object | string, attachment?: PluginParameters): Promise<PluginRun> {
  return callPlugin(world, NODE, verb, stdin, attachment);
}

function wanted(pod: Thing): boolean {
  return pod.metadata.annotations?.["ovn.kubernetes.io/routed"] === "true";
}

/** A pod with an address and without a sandbox, and the parameters that a runtime would pass. */
async function handmade(t: Test, name: string): Promise<{ pod: Thing; attachment: Required<PluginParameters> }> {
  await world.kube.create(PODS, sandboxlessPod(namespace, name, NODE));
  const pod = await world.pods.until(`${namespace}/${name}`, "has its network", (pod) => pod && wanted(pod) && pod);
  const netns = await makeNetns(t, world, NODE, `weft-${name}`);
  return { pod, attachment: attachmentOf(pod, netns) };
}

function attachmentOf({ metadata: { name, uid } }: Thing, netns: string): Required<PluginParameters> {
  return { container: `${name}-0123456789abcdef`, netns, ifName: "eth0", pod: { namespace, name, uid } };
}

async function unchanged(t: Test, what: string, work: () => Promise<void>): Promise<void> {
  const before = await takeInventory(world);
  await work();
  t.strictSame(await takeInventory(world), before, what);
}

/** Waits until a shim is connected to the daemon: there is no event for it. */
function daemonIsAsked(): Promise<unknown> {
  return until("a shim is connected with the daemon", 5_000, async () => {
    const ss = ["ss", "-xH", "state", "connected", "src", DEFAULT_SERVER_SOCKET];
    return (await world.lab.node(NODE).exec(ss)).stdout.includes(DEFAULT_SERVER_SOCKET);
  });
}

/** The remains of a daemon that was killed between two steps of an ADD, for a deleted pod. */
async function leaveHalfAnAdd(name: string): Promise<void> {
  await world.lab.node(NODE).exec(["ip", "link", "add", name, "type", "veth", "peer", "name", "left-behind"]);
  const { client, mirror } = world.ovs(NODE);
  const bridge = [...mirror.rows("Bridge")].find((row) => row.name === "br-int");
  const [port, face] = [randomUUID(), randomUUID()];
  const external_ids = { vendor: "kube-ovn", "iface-id": "left.behind", pod_name: "left", pod_namespace: "behind" };
  await client.transact(VSWITCH.name, [
    insert(VSWITCH, "Interface", face, { name, external_ids: { ...external_ids, container_id: "c", if_name: "eth0" } }),
    insert(VSWITCH, "Port", port, { name, interfaces: [face] }),
    mutate(VSWITCH, "Bridge", bridge!._uuid, [["ports", "insert", [port]]]),
  ]);
}

t.test("the shim and the daemon on a node", { skip: whyNoLab() }, async (t) => {
  world = await openWorld(t);
  peers = await standingPods(world);
  namespace = await useNamespace(t, world, "weft-cni");
  const far = peers.find((pod) => pod.spec.nodeName !== NODE)!;
  const { pod, attachment } = await handmade(t, "hand");
  const annotation = (key: string): string => pod.metadata.annotations?.[`ovn.kubernetes.io/${key}`] ?? "";
  const [v4 = "", v6 = ""] = annotation("ip_address").split(",");
  const mac = annotation("mac_address");
  // It takes ten seconds, during which the tests below run; on the other node, where the daemon gets no other request.
  const unknownTo = { ...attachment, container: "unknown", pod: { namespace, name: "unknown", uid: "u" } };
  const unknownPod = callPlugin(world, "weft-2", "ADD", V11, unknownTo);

  /** The result of ADD in a version. */
  const result = (cniVersion: string): object => {
    const old = cniVersion < "1.0.0";
    return {
      cniVersion,
      interfaces: [{ name: "eth0", mac, ...(cniVersion === "1.1.0" ? { mtu: 1400 } : {}), sandbox: attachment.netns }],
      ips: [
        { ...(old ? { version: "4" } : {}), address: `${v4}/16`, gateway: "10.16.0.1", interface: 0 },
        { ...(old ? { version: "6" } : {}), address: `${v6}/112`, gateway: "fd00:10:16::1", interface: 0 },
      ],
      routes: [
        { dst: "0.0.0.0/0", gw: "10.16.0.1" },
        { dst: "::/0", gw: "fd00:10:16::1" },
      ],
      dns: {},
    };
  };

  await t.test("VERSION lists the versions that the shim supports, without the daemon", async (t) => {
    const { code, out } = await call("VERSION", { cniVersion: "1.0.0" });
    t.strictSame([code, out], [0, { cniVersion: "1.0.0", supportedVersions: [...CNI_VERSIONS] }]);
    // Multus' daemon starts plugins like this: in another root, with a working directory outside of it.
    const gone =
      "mkdir /tmp/weft-gone && cd /tmp/weft-gone && rmdir /tmp/weft-gone && CNI_COMMAND=VERSION exec /opt/cni/bin/kube-ovn";
    const input = JSON.stringify({ cniVersion: "1.0.0" });
    const { stdout } = await world.lab.node(NODE).exec(["sh", "-c", gone], { input });
    t.strictSame(JSON.parse(stdout), out, "nor does it need a working directory");
  });

  await t.test("STATUS succeeds without output while the daemon can set up pods", async (t) => {
    t.strictSame(await call("STATUS", V11), { code: 0, out: undefined });
  });

  await t.test("ADD returns the result of each CNI version, and DEL removes everything", async (t) => {
    for (const version of CNI_VERSIONS) {
      await unchanged(t, `nothing is left of ${version}`, async () => {
        const { result: added, took } = await timed(() => call("ADD", configuration(version), attachment));
        t.strictSame(added, { code: 0, out: result(version) }, version);
        t.comment(`ADD ${version}: ${took} with the shim's start`);
        t.strictSame(await call("DEL", configuration(version), attachment), { code: 0, out: undefined });
      });
    }
  });

  await t.test("the daemon forks no process for an ADD or a DEL", async (t) => {
    const [daemon] = world.own("kube-ovn-cni", NODE);
    const { pid } = requireProcess(daemon!.metadata.uid, PROGRAM.daemon);
    // proc(5), stat: cminflt, the page faults of children that have ended; no child has none.
    const faults = (): string => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")[8]!;
    const before = faults();
    t.equal((await call("ADD", V11, attachment)).code, 0);
    t.equal((await call("DEL", V11, attachment)).code, 0);
    t.equal(faults(), before);
  });

  await t.test(
    "two simultaneous ADDs of one container and a later one have one result, and its network carries packets",
    async (t) => {
      const answers = await Promise.all([call("ADD", V11, attachment), call("ADD", V11, attachment)]);
      // The daemon may have handled the earlier ones as one; this one recreates the interface.
      answers.push(await call("ADD", V11, attachment));
      for (const answer of answers) t.strictSame(answer, { code: 0, out: result("1.1.0") });
      const exec = (command: readonly string[]) =>
        world.lab.node(NODE).exec(["nsenter", `--net=${attachment.netns}`, ...command], { allowFailure: true });
      for (const address of addressesOf(far)) t.match(await ping(exec, address), { ok: true }, address);
      const [port, ...more] = world
        .ovs(NODE)
        .podInterfaces()
        .filter(({ external_ids }) => external_ids["iface-id"] === `hand.${namespace}`);
      t.equal(more.length, 0);
      t.match(port?.external_ids, {
        vendor: "kube-ovn",
        pod_name: "hand",
        pod_namespace: namespace,
        pod_netns: attachment.netns,
        ip: `${v4},${v6}`,
        pod_uid: pod.metadata.uid,
        container_id: attachment.container,
        "ovn-installed": "true",
      });
    },
  );

  await t.test("CHECK passes while nothing has changed since ADD, and names what has", async (t) => {
    const check = (): Promise<PluginRun> =>
      call("CHECK", configuration("1.1.0", { prevResult: result("1.1.0") }), attachment);
    const inside = (...command: string[]) => world.lab.node(NODE).exec(["ip", "-netns", "weft-hand", ...command]);
    t.strictSame(await check(), { code: 0, out: undefined });
    await inside("address", "delete", `${v4}/16`, "dev", "eth0");
    t.match(await check(), { code: 1, out: { code: CNI_ERROR.internal, msg: `no address ${v4}/16` } });
    await inside("address", "add", `${v4}/16`, "dev", "eth0");
    // The route was deleted with the address.
    t.match(await check(), { code: 1, out: { msg: "no route to 0.0.0.0/0" } });
    await inside("route", "add", "default", "via", "10.16.0.1");
    t.strictSame(await check(), { code: 0, out: undefined });
  });

  await t.test(
    "CHECK of a pod that the runtime set up passes with the result that the runtime has stored",
    async (t) => {
      const near = peers.find((pod) => pod.spec.nodeName === NODE)!;
      const [port] = world
        .ovs(NODE)
        .podInterfaces()
        .filter(({ external_ids }) => external_ids["pod_name"] === near.metadata.name);
      const { container_id: container = "", pod_netns: netns = "" } = port?.external_ids ?? {};
      const file = join(world.lab.node(NODE).root, `var/lib/cni/results/kube-ovn-${container}-eth0`);
      const cached = JSON.parse(readFileSync(file, "utf8"));
      t.match(cached, { ifName: "eth0", networkName: "kube-ovn", result: { cniVersion: "1.0.0" } });
      const { namespace, name } = near.metadata as { namespace: string; name: string };
      const checked = await call("CHECK", configuration("1.0.0", { prevResult: cached.result }), {
        container,
        netns,
        pod: { namespace, name },
      });
      t.strictSame(checked, { code: 0, out: undefined });
    },
  );

  await t.test("GC removes attachments that are not in the runtime's list, and no others", async (t) => {
    const other = await handmade(t, "other");
    t.equal((await call("ADD", V11, other.attachment)).code, 0);
    const before = await takeInventory(world);
    const valid = world
      .ovs(NODE)
      .podInterfaces()
      .map(({ external_ids: ids }) => ({ containerID: ids["container_id"], ifname: ids["if_name"] }))
      .filter(({ containerID }) => containerID !== attachment.container);
    t.strictSame(await call("GC", configuration("1.1.0", { "cni.dev/valid-attachments": valid })), {
      code: 0,
      out: undefined,
    });
    const after = await takeInventory(world);
    const [port] = before[`${NODE}: br-int`]!.filter((name) => !after[`${NODE}: br-int`]!.includes(name));
    t.equal(port, `${attachment.container.slice(0, 12)}_h`);
    const without = (place: string): readonly string[] => before[place]!.filter((name) => name !== port);
    t.strictSame(after, {
      ...before,
      [`${NODE}: br-int`]: without(`${NODE}: br-int`),
      [`${NODE}: veth`]: without(`${NODE}: veth`),
    });
    t.equal((await call("DEL", V11, other.attachment)).code, 0);
  });

  await t.test("DEL succeeds if the container, namespace, pod or result is gone", async (t) => {
    await unchanged(t, "and with that nothing is left", async () => {
      const gone = await handmade(t, "gone");
      t.equal((await call("ADD", V11, gone.attachment)).code, 0);
      await world.lab.node(NODE).exec(["ip", "netns", "delete", "weft-gone"]);
      await world.kube.delete(PODS, { namespace, name: "gone" }, { gracePeriodSeconds: 0 });
      await world.pods.gone(`${namespace}/gone`);
      const { container } = gone.attachment;
      for (const about of [gone.attachment, gone.attachment, { container }, { container: "never-heard-of" }])
        t.strictSame(await call("DEL", V11, about), { code: 0, out: undefined });
      await world.ips.gone(`gone.${namespace}`);
      await world.nb.until("its port is gone", () => world.nb.port(`gone.${namespace}`) === undefined);
    });
  });

  await t.test("bad input is refused with the specification's code, and leaves nothing", async (t) => {
    const { container, netns } = attachment;
    const cases: readonly (readonly [string, number, string, string, object | string, PluginParameters])[] = [
      ["garbage", CNI_ERROR.decodingFailure, "is not JSON", "ADD", "{]", attachment],
      ["nothing on stdin", CNI_ERROR.decodingFailure, "is not JSON", "ADD", "", attachment],
      ["an unknown version", CNI_ERROR.incompatibleVersion, "incompatible", "ADD", configuration("9.0.0"), attachment],
      ["GC before 1.1.0", CNI_ERROR.incompatibleVersion, "does not allow GC", "GC", configuration("1.0.0"), {}],
      ["no namespace", CNI_ERROR.invalidEnvironment, "CNI_NETNS", "ADD", V11, { container, pod: attachment.pod }],
      ["no container", CNI_ERROR.invalidEnvironment, "CNI_CONTAINERID", "DEL", V11, {}],
      [
        "a namespace that is not there",
        CNI_ERROR.invalidNetns,
        "/run/netns/nowhere does not exist",
        "ADD",
        V11,
        { ...attachment, netns: "/run/netns/nowhere" },
      ],
      ["no pod", CNI_ERROR.invalidEnvironment, "K8S_POD_NAME", "ADD", V11, { container, netns }],
      ["CHECK without a result", CNI_ERROR.invalidConfig, "prevResult", "CHECK", V11, attachment],
      ["GC without the list", CNI_ERROR.invalidConfig, "cni.dev/valid-attachments", "GC", V11, {}],
    ];
    await unchanged(t, "nothing is left", async () => {
      for (const [what, code, message, verb, stdin, about] of cases) {
        const { code: exit, out } = await call(verb, stdin, about);
        t.match([exit, out], [1, { cniVersion: String, code }], what);
        t.match(`${out?.msg} ${out?.details}`, message, what);
      }
    });
  });

  await t.test("only root can open the socket, and unknown keys of a message are ignored", async (t) => {
    t.equal(statSync(join(world.lab.node(NODE).root, DEFAULT_SERVER_SOCKET)).mode & 0o777, 0o600);
    const body = { cni_type: "kube-ovn", provider: "ovn", container_id: "c", if_name: "eth0", plan: [1] };
    const curl = [
      "curl",
      "-sS",
      "--unix-socket",
      DEFAULT_SERVER_SOCKET,
      "-w",
      "%{http_code}",
      "-d",
      JSON.stringify(body),
    ];
    const { stdout } = await world.lab.node(NODE).exec([...curl, "http://dummy/api/v1/del"]);
    t.equal(stdout, "204");
  });

  await t.test("an ADD is aborted at once when its pod or container is removed", async (t) => {
    await unchanged(t, "nothing is left", async () => {
      const netns = await makeNetns(t, world, NODE, "weft-late");
      const lost = idlePod(namespace, "late", undefined, { "ovn.kubernetes.io/logical_switch": "no-such-subnet" });
      const pending = sandboxlessPod(namespace, "late", NODE);
      const late = await world.kube.create(PODS, { ...pending, metadata: lost.metadata });
      const about = attachmentOf(late as Thing, netns);
      const first = call("ADD", V11, about);
      await daemonIsAsked();
      t.strictSame(await call("DEL", V11, about), { code: 0, out: undefined });
      t.match(await first, {
        code: 1,
        out: { code: CNI_ERROR.tryAgainLater, msg: /a DEL for the same container arrived$/ },
      });
      const second = call("ADD", V11, about);
      await daemonIsAsked();
      await world.kube.delete(PODS, { namespace, name: "late" }, { gracePeriodSeconds: 0 });
      const { result: answer, took } = await timed(() => second);
      t.match(answer, { code: 1, out: { code: CNI_ERROR.unknownContainer, msg: `pod ${namespace}/late was deleted` } });
      t.comment(`answered ${took} after the deletion`);
      await world.pods.gone(`${namespace}/late`);
    });
  });

  const portNames = (): readonly string[] => [...world.ovs(NODE).mirror.rows("Port")].map(({ name }) => name);
  await t.test("while the daemon is down STATUS fails and DEL waits for it; its start removes orphans", async (t) => {
    await withoutRestarts(world, "kube-ovn-cni", NODE);
    await unchanged(t, "nothing is left", async () => {
      const [daemon] = world.own("kube-ovn-cni", NODE);
      const kubelet = `${NODE}/kubelet`;
      let removed: ReturnType<typeof call> | undefined;
      world.lab.pause(kubelet);
      try {
        await killContainer(daemon!.metadata.uid, PROGRAM.daemon);
        t.match(await call("STATUS", V11), { code: 1, out: { code: CNI_ERROR.notAvailable } });
        const exec = inPod(peers.find((pod) => pod.spec.nodeName === NODE)!);
        for (const address of addressesOf(far))
          t.match(await ping(exec, address), { ok: true }, "pods do not need the daemon");
        await leaveHalfAnAdd("0123456789ab_h");
        removed = call("DEL", V11, attachment);
      } finally {
        world.lab.resume(kubelet);
      }
      const { took } = await timed(() =>
        world
          .ovs(NODE)
          .until("the orphaned interface is collected", () => !portNames().includes("0123456789ab_h"), 30_000),
      );
      t.comment(`collected ${took} after kubelet could start the daemon again`);
      t.match(await removed, { code: 0 }, "the daemon that was started has answered");
      await until("STATUS is good", 10_000, async () => (await call("STATUS", V11)).code === 0);
    });
  });

  await t.test("an ADD for a pod that does not exist fails after its deadline", async (t) => {
    const { code, out } = await unknownPod;
    t.match([code, out], [1, { code: CNI_ERROR.unknownContainer, msg: `pod ${namespace}/unknown is unknown` }]);
  });
});
