// SPDX-License-Identifier: Apache-2.0

import { AGNHOST_IMAGE } from "../lab/images.ts";
import type { Lab } from "../lab/lab.ts";
import { OUTSIDE } from "../lab/topology.ts";
import { connectOutside } from "../traffic/outside-network.ts";
import { apply, podNetns, readyPods } from "../traffic/pods.ts";
import { addLink, removeLinks, vsctl } from "./dataplane-raw.ts";
import { CONNECTIONS_PORT, startServers } from "./dataplane-traffic.ts";

/** Also of the ProviderNetwork, whose bridge `br-<name>` may have 15 characters. */
const NAME = "natbench";
/** Pods with a floating IP of each type, one with an OvnSnatRule, an OvnDnatRule and a Service, and one for the raw paths. */
const PODS = ["central", "distributed", "plain", "raw"] as const;
const KINDS = ["ovn-dnat-rule", "ovn-snat-rule", "ovn-fip", "ovn-eip"] as const;

/** One path of new connections. */
export interface NatPath {
  readonly what: string;
  /** The path that it is compared with; absent for those that others are compared with. */
  readonly raw?: string;
  /** The client's network namespace. */
  readonly from: string;
  readonly to: string;
  readonly port: number;
}

/** The external address with this last number. */
const outside = (last: number): string => `172.31.88.${last}`;
const ROUTER = { v4: outside(1), v6: "fd00:31:88::1" } as const;
/** The nodes' own addresses in the network outside are numbered from here. */
const NODES = 11;
/** The address of pod `raw` in the network outside. */
const RAW = outside(90);

/**
 * The paths through each kind of NAT, between the host outside and pods of a VPC on the node that hosts the router's port, and the raw ones: a pod there has another
 * interface, in the bridge of the network outside, so the same packets take the same NIC, ovs-vswitchd and kind of interface, without OVN, connection tracking and NAT. `undo` gets what takes everything away.
 */
export async function natPaths(lab: Lab, undo: (() => Promise<unknown>)[]): Promise<readonly NatPath[]> {
  const [first = ""] = lab.nodes;
  undo.push(await connectOutside(lab, ROUTER, (i) => ({ v4: outside(NODES + i), v6: `fd00:31:88::${NODES + i}` })));
  await lab.kubectl(["label", "node", first, "ovn.kubernetes.io/external-gw=true", "--overwrite"]);
  undo.push(() => lab.kubectl(["label", "node", first, "ovn.kubernetes.io/external-gw-"]));
  undo.push(async () => {
    for (const kind of KINDS) await lab.kubectl(["delete", kind, "--selector=bench=nat", "--timeout=30s"]);
    await lab.kubectl(["delete", "namespace", NAME, "--timeout=60s"]);
    await lab.kubectl(["delete", "vpc", NAME, "--wait=false"]);
    await lab.kubectl(["delete", "subnet", `${NAME}-pods`, "--timeout=30s"]);
    await lab.kubectl(["delete", "subnet", NAME, "--timeout=30s"]);
    await lab.kubectl(["delete", "vlan", NAME]);
    await lab.kubectl(["delete", "provider-network", NAME, "--timeout=60s"]);
  });
  await apply(lab, objects(first));
  const pods = await readyPods(lab, NAME, "bench=nat", 120_000);
  for (const kind of KINDS)
    await lab.kubectl(["wait", kind, "--selector=bench=nat", "--for=condition=Ready", "--timeout=60s"]);
  const ingress = "--for=jsonpath={.status.loadBalancer.ingress}";
  await lab.kubectl(["wait", "service", "--namespace", NAME, "balanced", ingress, "--timeout=30s"]);
  const service = ["get", "service", "--namespace", NAME, "balanced"];
  const balanced = await lab.kubectl([...service, "--output=jsonpath={.status.loadBalancer.ingress[0].ip}"]);
  const sync = ["--namespace=kube-system", "exec", "deploy/ovn-central", "--", "ovn-nbctl", "--wait=hv", "sync"];
  await lab.kubectl(sync);
  const netns = (name: string): string => podNetns(pods.get(name)?.uid ?? "");
  const host = lab.node(OUTSIDE).netns;
  const link = await addLink(
    lab,
    { node: first, netns: netns("raw"), address: RAW },
    { port: "natraw", inside: "raw0" },
  );
  undo.push(() => removeLinks(lab, [link]));
  await vsctl(lab, first, "add-port", `br-${NAME}`, link.port);
  undo.push(() => vsctl(lab, first, "--if-exists", "del-port", link.port));
  for (const server of [host, ...PODS.map(netns)]) undo.push(await startServers(server));
  const port = CONNECTIONS_PORT;
  const [into, out] = ["raw: from outside to a pod", "raw: from a pod to outside"] as const;
  const from = { from: host, port, raw: into };
  const to = { to: ROUTER.v4, port, raw: out };
  return [
    { what: into, from: host, to: RAW, port },
    { what: "to a centralized floating IP", ...from, to: outside(110) },
    { what: "to a distributed floating IP", ...from, to: outside(111) },
    { what: "to a port of an OvnDnatRule", ...from, to: outside(112) },
    { what: "to a LoadBalancer Service", ...from, to: balanced.stdout.trim() },
    { what: out, from: netns("raw"), to: ROUTER.v4, port },
    { what: "from a centralized floating IP", from: netns("central"), ...to },
    { what: "from a distributed floating IP", from: netns("distributed"), ...to },
    { what: "from a subnet with an OvnSnatRule", from: netns("plain"), ...to },
  ];
}

function objects(node: string): readonly object[] {
  const labels = { bench: "nat" };
  const weft = (kind: string, name: string, spec: object): object => ({
    ...{ apiVersion: "kubeovn.io/v1", kind, metadata: { name, labels }, spec },
  });
  const pod = (name: string): object => ({
    ...{ apiVersion: "v1", kind: "Pod" },
    metadata: {
      ...{ namespace: NAME, name, labels: { ...labels, app: name } },
      annotations: { "ovn.kubernetes.io/logical_switch": `${NAME}-pods` },
    },
    spec: {
      nodeSelector: { "kubernetes.io/hostname": node },
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "idle", image: AGNHOST_IMAGE, imagePullPolicy: "Never", args: ["pause"] }],
    },
  });
  const eip = (last: number): object =>
    weft("OvnEip", `${NAME}-${last}`, { externalSubnet: NAME, v4Ip: outside(last) });
  const at = (last: number): object => ({ ovnEip: `${NAME}-${last}` });
  const port = `${CONNECTIONS_PORT}`;
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: NAME } },
    weft("ProviderNetwork", NAME, { defaultInterface: "eth9" }),
    weft("Vlan", NAME, { id: 0, provider: NAME }),
    weft("Subnet", NAME, {
      ...{ vlan: NAME, cidrBlock: `${outside(0)}/24`, gateway: ROUTER.v4 },
      excludeIps: [`${outside(1)}..${outside(99)}`],
    }),
    weft("Vpc", NAME, {
      ...{ enableExternal: true, extraExternalSubnets: [NAME] },
      staticRoutes: [{ cidr: "0.0.0.0/0", nextHopIP: ROUTER.v4 }],
    }),
    weft("Subnet", `${NAME}-pods`, { vpc: NAME, cidrBlock: "10.88.0.0/24" }),
    ...PODS.map(pod),
    ...[eip(110), eip(111), eip(112)],
    weft("OvnFip", `${NAME}-central`, { ...at(110), ipName: `central.${NAME}`, type: "centralized" }),
    weft("OvnFip", `${NAME}-distributed`, { ...at(111), ipName: `distributed.${NAME}`, type: "distributed" }),
    weft("OvnSnatRule", NAME, { ...at(112), vpcSubnet: `${NAME}-pods` }),
    weft("OvnDnatRule", NAME, {
      ...{ ...at(112), ipName: `plain.${NAME}`, externalPort: port, internalPort: port, protocol: "tcp" },
    }),
    {
      ...{ apiVersion: "v1", kind: "Service" },
      metadata: {
        ...{ namespace: NAME, name: "balanced" },
        annotations: { "ovn.kubernetes.io/service_external_ip_from_subnet": NAME },
      },
      spec: { type: "LoadBalancer", selector: { app: "plain" }, ports: [{ port: CONNECTIONS_PORT }] },
    },
  ];
}
