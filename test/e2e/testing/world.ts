// SPDX-License-Identifier: Apache-2.0

import { join } from "node:path";
import type { Test } from "tap";
import { type Lab, openLab } from "../../../hack/lab/lab.ts";
import { vswitchdControl } from "../../../src/daemon/ovs/unixctl.ts";
import { connectKube, type KubeConnection } from "../../../src/kube/connect.ts";
import type { Kube } from "../../../src/kube/kube.ts";
import { EVENTS, IPS, NAMESPACES, NODES, PODS, SERVICE_ACCOUNTS, SUBNETS, VPCS } from "../../../src/kube/resources.ts";
import { followNorthbound, followOpenVSwitch, type NorthboundRows, type OpenVSwitchRows } from "./database.ts";
import { Objects, type Thing } from "./objects.ts";

/** Milliseconds in which Open vSwitch revalidates its cached flows once. */
const RENEWED_MS = 60_000;

/** A core/v1 Event. */
export interface EventThing extends Thing {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly source: { readonly component: string };
  readonly involvedObject: { readonly kind: string; readonly namespace?: string; readonly name: string };
}

/** The lab with Weft, which tests watch by events, through the sockets of the real components. */
export interface World {
  readonly lab: Lab;
  readonly kube: Kube;
  /** For commands in pods. */
  readonly sockets: KubeConnection["sockets"];
  readonly pods: Objects;
  readonly nodes: Objects;
  readonly namespaces: Objects;
  readonly accounts: Objects;
  readonly subnets: Objects;
  readonly vpcs: Objects;
  readonly ips: Objects;
  readonly events: Objects<EventThing>;
  readonly nb: NorthboundRows;
  ovs(node: string): OpenVSwitchRows;
  /** The pods of Weft's workload with label `app`, without those that are being deleted; only those on `node` if it is given. */
  own(
    app: "ovn-central" | "ovs" | "kube-ovn-cni" | "kube-ovn-controller" | "kube-ovn-pinger",
    node?: string,
  ): readonly Thing[];
}

/** Why tests on the lab cannot run here, for tap's `skip`; false if they can. */
export function whyNoLab(): string | false {
  if (process.getuid?.() !== 0) return "needs root: the lab is made of network namespaces";
  const { settings } = openLab();
  if (settings === undefined) return 'no lab is up: "npm run lab -- up" makes one';
  if (settings.cni === "weft" && settings.ipFamily === "dual" && settings.nodes >= 2) return false;
  return `the lab is another one: ${settings.nodes} nodes, ${settings.cni}, ${settings.ipFamily}; these tests want 2, weft, dual`;
}

/** Opens the lab for a test, and closes it at the end of the test. */
export async function openWorld(t: Pick<Test, "teardown">): Promise<World> {
  const lab = openLab();
  const connection = await connectKube({ userAgent: "weft-e2e", kubeconfig: lab.paths.kubeconfig });
  const { kube } = connection;
  const objects = {
    pods: new Objects(kube, PODS),
    nodes: new Objects(kube, NODES),
    namespaces: new Objects(kube, NAMESPACES),
    accounts: new Objects(kube, SERVICE_ACCOUNTS),
    subnets: new Objects(kube, SUBNETS),
    vpcs: new Objects(kube, VPCS),
    ips: new Objects(kube, IPS),
    events: new Objects<EventThing>(kube, EVENTS),
  };
  await Promise.all(Object.values(objects).map((each) => each.ready()));
  const own: World["own"] = (app, node) =>
    objects.pods
      .values()
      .filter(
        ({ metadata, spec }) =>
          metadata.namespace === "kube-system" &&
          metadata.labels?.["app"] === app &&
          metadata.deletionTimestamp === undefined &&
          (node === undefined || spec.nodeName === node),
      );
  const centrals = own("ovn-central").map(({ spec }): string => spec.nodeName ?? "weft-1");
  const nb = followNorthbound(centrals.map((node) => lab.node(node).root));
  const ovs = new Map(lab.nodes.map((node) => [node, followOpenVSwitch(lab.node(node).root)]));
  t.teardown(async () => {
    await Promise.all(Object.values(objects).map((each) => each.stop()));
    await Promise.all([nb, ...ovs.values()].map(({ client }) => client.close()));
    connection.close();
  });
  await Promise.all([nb, ...ovs.values()].map(({ mirror }) => mirror.whenSynced(AbortSignal.timeout(20_000))));
  return {
    lab,
    kube,
    sockets: connection.sockets,
    ...objects,
    nb,
    own,
    ovs(node) {
      const found = ovs.get(node);
      if (found === undefined) throw new Error(`there is no node ${node}`);
      return found;
    },
  };
}

/**
 * Resolves when each node has applied the present content of the northbound database: ovn-controller has installed the flows, and Open vSwitch has revalidated
 * those that it
 * caches. On a busy machine that takes seconds.
 */
export async function syncNodes(world: World): Promise<void> {
  await world.lab.kubectl(["-n", "kube-system", "exec", "deploy/ovn-central", "--", "ovn-nbctl", "--wait=hv", "sync"]);
  await Promise.all(
    world.lab.nodes.map(async (node) => {
      const vswitchd = vswitchdControl(join(world.lab.node(node).root, "run/openvswitch"), RENEWED_MS);
      // The first one ends with a round that was already running.
      for (let i = 0; i < 2; i++) await vswitchd("revalidator/wait");
    }),
  );
}
