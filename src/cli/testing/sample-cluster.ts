// SPDX-License-Identifier: Apache-2.0

import type { KubeObject } from "../../kube/object.ts";
import {
  ENDPOINT_SLICES,
  IPS,
  NAMESPACES,
  NETWORK_POLICIES,
  NODES,
  PODS,
  type ResourceType,
  SERVICES,
  SUBNETS,
  VPCS,
} from "../../kube/resources.ts";
import { type FakeKube, fakeKube } from "../../kube/testing/fake.ts";

/** A small cluster for tests of commands: two nodes, the default VPC, and added objects. */
export class SampleCluster {
  readonly kube: FakeKube = fakeKube();
  #addresses = 1;

  /** Creates the cluster: dual-stack, namespaces `default` and `other`. */
  static async make(): Promise<SampleCluster> {
    const cluster = new SampleCluster();
    for (const name of ["default", "other"]) {
      await cluster.add(NAMESPACES, { metadata: { name, labels: { "kubernetes.io/metadata.name": name } } });
    }
    await cluster.add(VPCS, { metadata: { name: "ovn-cluster" }, spec: {} });
    await cluster.subnet("join", "100.64.0.0/16,fd00:100:64::/112");
    await cluster.subnet("ovn-default", "10.16.0.0/16,fd00:10:16::/112", { default: true, natOutgoing: true });
    for (const n of [1, 2]) {
      const name = `weft-${n}`;
      await cluster.add(NODES, {
        metadata: { name, annotations: { "ovn.kubernetes.io/logical_switch": "join" } },
        status: { addresses: [{ type: "InternalIP", address: `172.18.0.1${n}` }] },
      });
      await cluster.ip(
        `node-${name}`,
        { podName: name, nodeName: name, subnet: "join" },
        `100.64.0.${n + 1}`,
        `fd00:100:64::${n + 1}`,
      );
    }
    return cluster;
  }

  /** The same with pods `web-1` and `web-2`, one on each node, `db`, and `stranger` in the other namespace. */
  static async shop(): Promise<SampleCluster> {
    const cluster = await SampleCluster.make();
    for (const name of ["web-1", "web-2"])
      await cluster.pod(`default/${name}`, { app: "web" }, { node: `weft-${name.slice(4)}` });
    await cluster.pod("default/db", { app: "db" });
    await cluster.pod("other/stranger");
    return cluster;
  }

  async add(
    type: ResourceType,
    object: { readonly metadata: object; readonly spec?: object; readonly [more: string]: unknown },
  ): Promise<KubeObject> {
    const made: KubeObject = await this.kube.create(type, object as never);
    const { status } = object;
    if (status === undefined) return made;
    return await this.kube.update(type, { ...made, status }, { subresource: "status" });
  }

  async subnet(name: string, cidrBlock: string, spec: object = {}): Promise<void> {
    await this.add(SUBNETS, { metadata: { name }, spec: { cidrBlock, vpc: "ovn-cluster", ...spec } });
  }

  /** A pod with an address of its own in the default subnet, on node 1 by default. */
  async pod(
    key: string,
    labels: Record<string, string> = {},
    options: {
      readonly node?: string;
      readonly ports?: Record<string, number>;
      readonly annotations?: Record<string, string>;
    } = {},
  ): Promise<string> {
    const [namespace = "default", name = ""] = key.split("/");
    const { node = "weft-1", ports = {}, annotations = {} } = options;
    const containers = [
      { name: "c", ports: Object.entries(ports).map(([name, containerPort]) => ({ name, containerPort })) },
    ];
    const made = await this.add(PODS, {
      metadata: { namespace, name, labels, annotations },
      spec: { nodeName: node, containers },
    });
    const last = ++this.#addresses;
    const v4 = `10.16.${last >> 8}.${last & 255}`;
    const of = { podName: name, namespace, nodeName: node, subnet: "ovn-default" };
    await this.ip(`${name}.${namespace}`, of, v4, `fd00:10:16::${last.toString(16)}`, made.metadata.uid);
    return v4;
  }

  async ip(name: string, spec: object, v4: string, v6: string, podUid?: string): Promise<void> {
    const annotations = podUid === undefined ? {} : { "weft.kubeovn.io/pod-uid": podUid };
    const macAddress = `00:00:00:00:00:${(this.#addresses & 255).toString(16).padStart(2, "0")}`;
    await this.add(IPS, {
      metadata: { name, annotations },
      spec: { ...spec, v4IpAddress: v4, v6IpAddress: v6, macAddress },
    });
  }

  async policy(key: string, spec: object): Promise<void> {
    const [namespace = "default", name = ""] = key.split("/");
    await this.add(NETWORK_POLICIES, { metadata: { namespace, name }, spec });
  }

  /** A Service and its EndpointSlice. */
  async service(
    key: string,
    clusterIP: string,
    port: number,
    targetPort: number,
    backends: readonly string[],
    more: object = {},
    labels: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const [namespace = "default", name = ""] = key.split("/");
    await this.add(SERVICES, {
      metadata: { namespace, name, labels },
      spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ port }], ...more },
    });
    await this.add(ENDPOINT_SLICES, {
      metadata: { namespace, name: `${name}-1`, labels: { "kubernetes.io/service-name": name } },
      addressType: "IPv4",
      endpoints: backends.map((address, i) => ({
        addresses: [address],
        conditions: { ready: true },
        nodeName: `weft-${i + 1}`,
      })),
      ports: [{ protocol: "TCP", port: targetPort }],
    });
  }
}
