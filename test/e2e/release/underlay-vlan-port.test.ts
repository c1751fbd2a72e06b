// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";
import t from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { ping } from "../../../hack/traffic/probe.ts";
import { NODE } from "../../../src/api/annotations.ts";
import { VENDOR } from "../../../src/api/names.ts";
import { RECORD_KEY, type UplinkRecord, writeRecord } from "../../../src/daemon/uplinks/uplink-record.ts";
import { vlanPortName } from "../../../src/daemon/uplinks/vlan-ports.ts";
import { providerNetworkKind } from "../../../src/kinds/provider-network.ts";
import { PODS } from "../../../src/kube/resources.ts";
import { seenBy, seenOutside } from "../testing/client-address.ts";
import { FAMILIES, type OutsideFamily, useExternalNetwork } from "../testing/external-network.ts";
import { useExternalVlan } from "../testing/external-vlan.ts";
import { checkCells, type NatCell } from "../testing/nat-table.ts";
import { addressesOf, inNode, inPod, ownReady, run, useNamespace, webPod } from "../testing/pods.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const NAME = "weft-vport";
const TAG = 330;
const MAC = "02:00:00:00:77:33";

t.setTimeout(580_000);

/**
 * The lab's kernel has no VLAN sub-interfaces. So the row is written that the daemon has made when it is killed before the port gets what the sub-interface had: the daemon goes on from there.
 */
t.test(
  "a port in the place of a VLAN sub-interface: the node and pods in the same VLAN",
  { skip: whyNoLab() },
  async (t) => {
    const world = await openWorld(t);
    const { lab } = world;
    const [first = "", second = ""] = lab.nodes;
    const namespace = await useNamespace(t, world, NAME);
    const wire = await useExternalNetwork(t, world, NAME, 91);
    const vlan = await useExternalVlan(t, world, wire, TAG, 92);
    const address = (family: OutsideFamily): string => vlan.address(50, family);
    const body = { spec: { preserveVlanInterfaces: true } };
    await world.kube.patch(providerNetworkKind.type, { name: NAME }, { type: "merge", body });
    // A daemon that does not know it yet would restore the sub-interface.
    await world.nodes.until(first, "has a contract with VLAN ports", (node) =>
      node?.metadata.annotations?.[NODE.contract]?.includes(`"keptVlans":{"${NAME}"`),
    );
    const bridge = `br-${NAME}`;
    const port = vlanPortName(bridge, TAG);
    const vsctl = (...args: readonly string[]) =>
      lab.kubectl([
        ...["-n", "kube-system", "exec", world.own("ovs", first)[0]?.metadata.name ?? "", "-c", "openvswitch", "--"],
        ...["ovs-vsctl", "--timeout=20", ...args],
      ]);
    const record: UplinkRecord = {
      ...{ network: NAME, interface: `eth9.${TAG}`, mac: MAC, mtu: 1400, filter: "0", holder: 0 },
      boot: (await readFile("/proc/sys/kernel/random/boot_id", "latin1")).trim(),
      addresses: [
        { address: address("v4"), prefix: 24 },
        { address: address("v6"), prefix: 112 },
      ],
      ...{ routes: [], neighbours: [] },
    };
    // Before the ProviderNetwork goes: the sub-interface could not be created again.
    t.teardown(() => vsctl("--if-exists", "del-port", port));
    await vsctl(
      ...["add-port", bridge, port, `tag=${TAG}`, "--", "set", "interface", port, "type=internal"],
      ...[`mac="${MAC}"`, "mtu_request=1400", "--", "set", "port", port, `external_ids:vendor=${VENDOR}`],
      `external_ids:${RECORD_KEY}=${JSON.stringify(writeRecord(record))}`,
    );
    const node = inNode(world, first);
    const shown = async (): Promise<string> => (await node(["ip", "address", "show", "dev", port])).stdout;
    await until("the daemon gives the port its addresses", 60_000, async () => {
      const text = await shown();
      return FAMILIES.every((family) => text.includes(`${address(family)}/`));
    }).catch(async (cause: unknown) => {
      const daemon = world.own("kube-ovn-cni", first)[0]?.metadata.name ?? "";
      const log = await lab.kubectl(["-n", "kube-system", "logs", "--since=90s", daemon]);
      const row = await vsctl("--columns=error,ofport,mac_in_use", "list", "interface", port);
      throw new Error(`the port has no addresses: ${await shown()}\n${row.stdout}\n${log.stdout}`, { cause });
    });
    const inVlan = { "ovn.kubernetes.io/logical_switch": vlan.name };
    const [here, there] = await run(
      world,
      [webPod(namespace, "here", first, inVlan), webPod(namespace, "there", second, inVlan)],
      90_000,
    );
    const cells = (family: OutsideFamily): readonly NatCell[] => {
      const of = (pod: typeof here) => (pod === undefined ? "" : addressesOf(pod)[family === "v4" ? 0 : 1]);
      const answers = async (from: Parameters<typeof ping>[0]) =>
        (await ping(from, address(family), 1)).ok ? address(family) : "";
      return [
        ["node to the host of the VLAN", () => seenOutside(node, vlan.router[family]), address(family)],
        ["host of the VLAN to the node", () => answers(vlan.host), address(family)],
        ["host of another VLAN to the node", () => answers(vlan.stranger), ""],
        ["node to a pod of the VLAN on it", () => seenBy(node, of(here), 8080), address(family)],
        ["node to a pod of the VLAN on another node", () => seenBy(node, of(there), 8080), address(family)],
        ["pod of the VLAN on it to the node", () => answers(inPod(here!)), address(family)],
        ["pod of the VLAN on another node to the node", () => answers(inPod(there!)), address(family)],
        ["host of the VLAN to a pod on the node", () => seenBy(vlan.host, of(here), 8080), vlan.router[family]],
        ["pod on the node to the host of the VLAN", () => seenOutside(inPod(here!), vlan.router[family]), of(here)],
        ["pod to pod", () => seenBy(inPod(here!), of(there), 8080), of(here)],
      ];
    };
    for (const family of FAMILIES) await t.test(family, (t) => checkCells(t, `VLAN ${TAG} | ${family}`, cells(family)));

    await t.test("it is as before after a restart of the daemon", async (t) => {
      const before = await shown();
      const [old] = world.own("kube-ovn-cni", first);
      await world.kube.delete(PODS, { namespace: "kube-system", name: old?.metadata.name ?? "" });
      await ownReady(world, "kube-ovn-cni", first, old?.metadata.uid);
      for (const family of FAMILIES) await checkCells(t, `VLAN ${TAG} | ${family}`, cells(family).slice(0, 2));
      t.equal(await shown(), before);
    });
  },
);
