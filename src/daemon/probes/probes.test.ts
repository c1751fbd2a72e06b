// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { probePortName } from "../../api/names.ts";
import type { SubnetContract } from "../../contract/subnet.ts";
import { parseCidr } from "../../net/cidr.ts";
import { PROBE_TABLE } from "../../node/marks.ts";
import { FakeKernel } from "../../node/testing/fake-kernel.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { insert } from "../../ovsdb/operation.ts";
import { fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { SYSTEM_CLOCK } from "../../time/clock.ts";
import type { RoutedSubnet } from "../node-gateway/subnet-reader.ts";
import { OvsView } from "../ovs/ovs-view.ts";
import type { NodePod } from "../pods/pods.ts";
import { FakeNftables, fakeVswitchd } from "../testing/fake-node.ts";
import { probeLinkName } from "./probe-state.ts";
import { Probes } from "./probes.ts";

/** An informer in memory. */
class Facts<P> {
  synced = true;
  readonly #facts = new Map<string, P>();
  readonly #listeners = new Set<(change: never) => void>();
  get = (key: string): P | undefined => this.#facts.get(key);
  values = (): IterableIterator<P> => this.#facts.values();
  whenSynced = async (): Promise<void> => undefined;
  subscribe = (listener: (change: never) => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  set(key: string, fact: P | undefined): void {
    if (fact === undefined) this.#facts.delete(key);
    else this.#facts.set(key, fact);
    for (const listener of this.#listeners) listener(undefined as never);
  }
}

const RANGE = parseCidr("10.16.0.0/16")!;
const BASE: SubnetContract = { cidrs: [], natOutgoing: false, gatewayType: "distributed", mtu: 0 };
const subnet = (name: string): RoutedSubnet => ({
  name,
  contract: { ...BASE, probe: { vpc: `vpc-${name}`, cidrs: [RANGE] } },
});

function pod(name: string, of: string, last: number, probePorts = [8080]): NodePod {
  const annotations = {
    "ovn.kubernetes.io/allocated": "true",
    "ovn.kubernetes.io/routed": "true",
    "ovn.kubernetes.io/ip_address": `10.16.0.${last}`,
    "ovn.kubernetes.io/mac_address": "02:00:00:00:00:07",
    "ovn.kubernetes.io/cidr": "10.16.0.0/16",
    "ovn.kubernetes.io/gateway": "10.16.0.1",
    "ovn.kubernetes.io/logical_switch": of,
  };
  const created = `2026-01-01T00:00:0${name.length}Z`;
  return { name, namespace: "shop", uids: [name], created, deleting: false, ended: false, annotations, probePorts };
}

async function setup(t: Test) {
  const server = fakeOvsdb(VSWITCH);
  const bridge = randomUUID();
  await server.edit(VSWITCH, [
    insert(VSWITCH, "Open_vSwitch", undefined, { bridges: [bridge] }),
    insert(VSWITCH, "Bridge", bridge, { name: "br-int", datapath_type: "netdev" }),
  ]);
  const client = server.connect();
  const switching = server.connect();
  const kernel = new FakeKernel();
  await fakeVswitchd(switching, kernel);
  const nft = new FakeNftables();
  const [pods, subnets] = [new Facts<NodePod>(), new Facts<RoutedSubnet>()];
  for (const name of ["a", "b"]) subnets.set(name, subnet(name));
  const [repaired, events, logged]: [string[], string[], string[]] = [[], [], []];
  const view = new OvsView(client);
  const start = () => {
    const probes = new Probes({
      ...{ view, kernel, nft, pods, subnets, clock: SYSTEM_CLOCK },
      report: {
        note: (repairs) => {
          repaired.push(...repairs);
          return 0;
        },
      },
      log: { info: (_, message) => void logged.push(message), warn: () => undefined },
      mtu: () => 1400,
      event: ({ name }, reason, message) => void events.push(`${name} ${reason} ${message}`),
    });
    probes.start();
    return probes;
  };
  t.teardown(async () => {
    await Promise.all([client.close(), switching.close()]);
    await server.close();
  });
  return { view, kernel, nft, pods, subnets, repaired, events, logged, start };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

const TABLES = (kernel: FakeKernel) => kernel.routes({ protocol: 88 }).map(({ table }) => table);

t.test("a VPC with a probed pod has a port, a route, a rule and a table, which are removed with the pod", async (t) => {
  const { view, kernel, nft, pods, start } = await setup(t);
  const probes = start();
  const link = probeLinkName("vpc-a");
  pods.set("web", pod("web", "a", 7));
  await until(() => nft.scripts.some((script) => script.includes("10.16.0.7 . 8080")));
  t.match(view.interfaceNamed(link), {
    type: "internal",
    mtu_request: 1400,
    external_ids: { "iface-id": probePortName("vpc-a"), "weft-owner": "probes" },
  });
  t.match(kernel.link(link), { up: true });
  t.same(TABLES(kernel), [8701]);
  t.match(kernel.rules(), [{ priority: 870, mark: 0x0100_0000, mask: 0x7f00_0000, table: 8701, inputInterface: "lo" }]);

  pods.set("web", undefined);
  await until(() => view.interfaceNamed(link) === undefined && kernel.rules().length === 0);
  await until(() => !nft.scripts.at(-1)!.includes("chain"));
  t.match(nft.scripts.at(-1), `delete table ${PROBE_TABLE}`);
  await probes.stop();
});

t.test("objects that another program removes are restored and reported", async (t) => {
  const { kernel, nft, pods, repaired, logged, start } = await setup(t);
  const probes = start();
  const link = probeLinkName("vpc-a");
  pods.set("web", pod("web", "a", 7));
  // Changes before the first set-up are not reported.
  await until(() => nft.scripts.length > 0 && logged.at(-1) === "connections to pods of custom VPCs are set up");
  kernel.deleteRule({ ...kernel.rules()[0]!, action: "table" } as never);
  await until(() => kernel.rules().length === 1 && repaired.length > 0);
  const index = kernel.link(link)!.index;
  kernel.deleteRoute({ destination: "0.0.0.0/0", table: 8701 });
  await until(() => TABLES(kernel).length === 1);
  kernel.deleteLink(index);
  await until(() => kernel.link(link) !== undefined && TABLES(kernel).length === 1);
  t.not(kernel.link(link)!.index, index);
  t.match(repaired.join("\n"), /rule .*870[\s\S]*route 0\.0\.0\.0\/0[\s\S]*device probe/);
  await probes.stop();
});

t.test("a daemon that starts finds the present state, changes nothing, and keeps each VPC's table", async (t) => {
  const { kernel, nft, pods, start } = await setup(t);
  const first = start();
  pods.set("b", pod("b", "b", 8));
  await until(() => nft.scripts.length > 0);
  pods.set("web", pod("web", "a", 7));
  await until(() => TABLES(kernel).length === 2);
  await until(() => nft.scripts.at(-1)!.includes("10.16.0.7"));
  const before = nft.scripts.at(-1);
  await first.stop();
  const changes: string[] = [];
  kernel.onChange = (change) => void changes.push(change);
  const count = nft.scripts.length;
  const second = start();
  await until(() => nft.scripts.length > count);
  await second.stop();
  t.equal(nft.scripts.at(-1), before);
  t.same(changes, []);
});

t.test(
  "a pod whose address and port are another's is reported once, and replaces it when that is deleted",
  async (t) => {
    const { nft, pods, events, start } = await setup(t);
    const probes = start();
    pods.set("old", pod("old", "a", 7));
    pods.set("young", pod("young", "b", 7));
    await until(() => events.length > 0);
    pods.set("other", pod("other", "a", 9));
    await until(() => nft.scripts.some((script) => script.includes("10.16.0.9")));
    t.match(events, [/^young ProbeAddressAmbiguous .* pod shop\/old of VPC vpc-a has 10\.16\.0\.7 and port 8080 too/]);
    pods.set("old", undefined);
    await until(() => nft.scripts.at(-1)!.includes("10.16.0.7 . 8080 : goto to-2"));
    t.equal(events.length, 1);
    await probes.stop();
  },
);

t.test("nothing of a VPC is changed while pods, subnets or a contract are not known", async (t) => {
  const { kernel, nft, pods, subnets, start } = await setup(t);
  pods.set("web", pod("web", "a", 7));
  const first = start();
  await until(() => nft.scripts.length > 0 && TABLES(kernel).length === 1);
  await first.stop();
  const scripts = nft.scripts.length;
  pods.synced = false;
  subnets.set("a", { name: "a", contract: "malformed" });
  const second = start();
  await new Promise((resolve) => setTimeout(resolve, 100));
  pods.synced = true;
  pods.set("x", pod("x", "b", 9));
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.same([TABLES(kernel), nft.scripts.length], [[8701], scripts]);
  await second.stop();
});
