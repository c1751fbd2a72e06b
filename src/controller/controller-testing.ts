import type { Logger } from "pino";
import type { Test } from "tap";
import { SYSTEM_CLOCK } from "../kube/clock.ts";
import { type FakeKube, fakeKube } from "../kube/fake.ts";
import { NAMESPACES, NODES, PODS } from "../kube/resources.ts";
import type { Pod } from "../kube/types.ts";
import type { OvsdbClient } from "../ovsdb/client.ts";
import { type FakeOvsdb, fakeOvsdb } from "../ovsdb/fake.ts";
import { OVN_NB } from "../ovsdb/generated/ovn-nb.ts";
import { Controller, type ControllerParts } from "./controller.ts";
import { Election } from "./election.ts";
import { Northbound } from "./northbound.ts";
import type { Settings } from "./settings.ts";

/** A small cluster of one family. */
export const SETTINGS: Settings = {
  ovnNb: "",
  clusterRouter: "ovn-cluster",
  defaultSubnet: "ovn-default",
  defaultCidr: "10.16.0.0/24",
  defaultGateway: "",
  defaultExcludeIps: "",
  nodeSwitch: "join",
  nodeSwitchCidr: "100.64.0.0/24",
  enableLb: true,
  keepVmIp: true,
  serviceCidr: "10.96.0.0/12",
  nodeCidrs: ["0.0.0.0/0", "::/0"],
  nodePorts: { first: 30_000, last: 32_767 },
  dnsServers: "",
  dnsService: "kube-system/kube-dns",
  domainGraceS: 600,
  ovsdbInactivityS: 5,
  metricsPort: 0,
  healthPort: 0,
  logLevel: "info",
  allowMassDelete: false,
  identity: "test",
  namespace: "kube-system",
};

const quiet = (): void => {};
const LOG = { debug: quiet, info: quiet, warn: quiet, error: quiet } as unknown as Logger;

/** A fake API server with a node and a namespace, and a fake northbound database. */
export async function cluster(t: Test): Promise<{ kube: FakeKube; server: FakeOvsdb }> {
  const kube = fakeKube();
  const server = fakeOvsdb(OVN_NB);
  t.teardown(() => server.close());
  await kube.create(NODES, { metadata: { name: "n1" } });
  await kube.create(NAMESPACES, { metadata: { name: "default" } });
  return { kube, server };
}

/** A controller that stands for election, on a connection of its own. It is stopped when the test ends. */
export function candidate(
  t: Test,
  kube: FakeKube,
  server: { connect(): OvsdbClient },
  more: Partial<ControllerParts> = {},
) {
  const client = server.connect();
  const northbound = new Northbound(client);
  const parts = { kube, northbound, settings: SETTINGS, log: LOG, clock: SYSTEM_CLOCK, random: () => 0.5, ...more };
  const controller = new Controller(parts);
  const election = new Election(parts, controller, () => t.fail("leading could not begin"));
  election.start();
  const stop = async (): Promise<void> => {
    await election.stop();
    await client.close();
  };
  t.teardown(stop);
  return { controller, election, client, northbound, stop };
}

/** Waits until `found` gives something, for about `ms`; a slow machine gets as many turns. */
export async function eventually<T>(what: string, found: () => T | undefined, ms = 20_000): Promise<T> {
  for (let i = 0; i < ms / 2; i++) {
    const value = found();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`not within time: ${what}`);
}

/** The address that a pod of the default namespace has been given. */
export function addressOf(kube: FakeKube, name: string): string | undefined {
  return kube.object<Pod>(PODS, { namespace: "default", name })?.metadata.annotations?.["ovn.kubernetes.io/ip_address"];
}

/** Adds a pod that the scheduler has bound. */
export async function addPod(kube: FakeKube, name: string): Promise<void> {
  const spec = { nodeName: "n1", hostNetwork: false };
  await kube.create(PODS, { metadata: { namespace: "default", name }, spec });
}
