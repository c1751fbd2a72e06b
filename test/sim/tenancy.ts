// SPDX-License-Identifier: Apache-2.0

import type { KubeObject } from "../../src/kube/object.ts";
import { ENDPOINT_SLICES, SUBNETS, VPCS } from "../../src/kube/resources.ts";
import type { FakeKube } from "../../src/kube/testing/fake.ts";
import { isIn, keyOfAddress, readAddress } from "./addresses.ts";
import { type ClusterView, DEFAULT_VPC_NAME } from "./cluster-view.ts";
import type { NorthboundServer } from "./database-server.ts";
import { isHostile } from "./hostile.ts";

interface VpcSpec {
  readonly staticRoutes?: readonly { readonly cidr: string; readonly nextHopIP: string }[] | null;
  readonly policyRoutes?: readonly { readonly match: string }[] | null;
  readonly vpcPeerings?: readonly { readonly remoteVpc: string }[] | null;
}

/** Dependencies of the invariants. */
export interface TenancyWorld {
  readonly kube: FakeKube;
  readonly northbound: NorthboundServer;
  readonly onViolation: (what: string) => void;
}

/**
 * No VPC has rows of another one: each router has the switches of its own subnets, routers are linked only where both VPCs name each other,
 * each route and policy is of its own VPC's spec, each switch has the load balancers of its own VPC, and no ACL trusts ports of another VPC. A former spec may
 * still be in the database while a controller lags, so all former specs are accepted; anything else is a violation.
 */
export class Tenancy {
  readonly #world: TenancyWorld;
  /** Pairs of VPCs that named each other, as `a b`. */
  readonly #peered = new Set<string>();
  /** `<vpc> <prefix> <next hop>` and `<vpc> <match>` of specs. */
  readonly #wanted = new Set<string>();
  /** Subnet → the VPCs that it has been in. */
  readonly #vpcsOf = new Map<string, Set<string>>();

  constructor(world: TenancyWorld) {
    this.#world = world;
  }

  /** VPCs or subnets have changed. */
  look(): void {
    const vpcs = this.#world.kube
      .objects(VPCS)
      .map(({ metadata, spec }) => ({ name: metadata.name, spec: read(spec) }));
    const names = (a: string, b: string): boolean =>
      vpcs.some(({ name, spec }) => name === a && (spec.vpcPeerings ?? []).some(({ remoteVpc }) => remoteVpc === b));
    for (const { name, spec } of vpcs) {
      for (const { remoteVpc } of spec.vpcPeerings ?? [])
        if (names(remoteVpc, name)) this.#peered.add(`${name} ${remoteVpc}`).add(`${remoteVpc} ${name}`);
      for (const { cidr, nextHopIP } of spec.staticRoutes ?? []) this.#wanted.add(`${name} ${cidr} ${nextHopIP}`);
      for (const { match } of spec.policyRoutes ?? []) this.#wanted.add(`${name} ${match}`);
    }
    for (const { metadata, spec } of this.#world.kube.objects(SUBNETS)) {
      const known = this.#vpcsOf.get(metadata.name) ?? new Set();
      this.#vpcsOf.set(metadata.name, known.add((spec as { vpc?: string } | undefined)?.vpc || DEFAULT_VPC_NAME));
    }
  }

  /** A client has committed: checks all rows. */
  onCommit(): void {
    this.look();
    const { northbound, onViolation } = this.#world;
    const routers = northbound.rows("Logical_Router");
    const routerOf = new Map(routers.flatMap(({ name, ports }) => ports.map((port) => [port, name] as const)));
    const ports = northbound.rows("Logical_Router_Port");
    const routerByPort = new Map(ports.map(({ _uuid, name }) => [name, routerOf.get(_uuid)]));
    for (const { _uuid, name, peer } of ports) {
      const [own, other] = [routerOf.get(_uuid), peer === undefined ? undefined : routerByPort.get(peer)];
      if (own === undefined || other === undefined || own === other || this.#peered.has(`${own} ${other}`)) continue;
      onViolation(`port ${name} links VPC ${own} with VPC ${other}, and they never named each other`);
    }
    this.#checkSwitches(routerByPort);
    this.#checkRoutes();
    this.#checkPeers();
  }

  #checkSwitches(routerByPort: ReadonlyMap<string, string | undefined>): void {
    const { northbound, onViolation } = this.#world;
    const ports = new Map(northbound.rows("Logical_Switch_Port").map((port) => [port._uuid, port]));
    const balancers = new Map(northbound.rows("Load_Balancer").map((row) => [row._uuid, row]));
    const groups = new Map(northbound.rows("Load_Balancer_Group").map((row) => [row._uuid, row]));
    for (const { name, ports: members, load_balancer: own, load_balancer_group } of northbound.rows("Logical_Switch")) {
      const vpcs = this.#vpcsOf.get(name);
      if (vpcs === undefined || isHostile(name)) continue;
      for (const uuid of members) {
        const router = routerByPort.get(ports.get(uuid)?.options["router-port"] ?? "");
        if (router !== undefined && !vpcs.has(router))
          onViolation(`switch ${name} of VPC ${[...vpcs].join()} has a port to the router of VPC ${router}`);
      }
      const given = [...own, ...load_balancer_group.flatMap((uuid) => groups.get(uuid)?.load_balancer ?? [])];
      for (const uuid of given) {
        const { name: balancer = "", external_ids = {} } = balancers.get(uuid) ?? {};
        const vpc = external_ids["vpc"];
        if (vpc !== undefined && !vpcs.has(vpc))
          onViolation(`switch ${name} of VPC ${[...vpcs].join()} has load balancer ${balancer} of VPC ${vpc}`);
      }
    }
  }

  /** The peers in an ACL of ports in one VPC must be ports in that VPC, or in one that was ever peered with it. */
  #checkPeers(): void {
    const { northbound, onViolation } = this.#world;
    const vpcsOf = new Map<string, ReadonlySet<string>>();
    for (const { name, ports } of northbound.rows("Logical_Switch"))
      for (const port of isHostile(name) ? [] : ports) vpcsOf.set(port, this.#vpcsOf.get(name) ?? new Set());
    const matches = new Map(northbound.rows("ACL").map(({ _uuid, match }) => [_uuid, match]));
    const groups = northbound.rows("Port_Group").filter(({ name }) => !isHostile(name));
    const members = new Map(groups.map(({ name, ports }) => [name, distinct(ports.map((port) => vpcsOf.get(port)))]));
    for (const { name, acls } of groups) {
      for (const match of acls.flatMap((uuid) => matches.get(uuid) ?? [])) {
        const peers = [...match.matchAll(/\$([\w.]+)_ip[46]\b/g)].flatMap(([, peer = ""]) => members.get(peer) ?? []);
        for (const own of members.get(name) ?? []) {
          const stranger = peers.find((peer) => !this.#areNear(own, peer));
          if (stranger !== undefined)
            onViolation(
              `an ACL of ports in VPC ${[...own].join()} trusts ports in VPC ${[...stranger].join()}: ${match}`,
            );
        }
      }
    }
  }

  #areNear(some: ReadonlySet<string>, others: ReadonlySet<string>): boolean {
    return [...some].some((a) => [...others].some((b) => a === b || this.#peered.has(`${a} ${b}`)));
  }

  #checkRoutes(): void {
    const { northbound, onViolation } = this.#world;
    const routes = new Map(northbound.rows("Logical_Router_Static_Route").map((row) => [row._uuid, row]));
    const policies = new Map(northbound.rows("Logical_Router_Policy").map((row) => [row._uuid, row]));
    for (const { name, static_routes, policies: own } of northbound.rows("Logical_Router")) {
      // The default VPC belongs to no tenant; the oracle checks its routes to the outside.
      if (name === DEFAULT_VPC_NAME || isHostile(name)) continue;
      for (const uuid of static_routes) {
        const { ip_prefix = "", nexthop = "" } = routes.get(uuid) ?? {};
        if (!this.#wanted.has(`${name} ${ip_prefix} ${nexthop}`))
          onViolation(`VPC ${name} has a route to ${ip_prefix} by ${nexthop}, which was never in its spec`);
      }
      for (const uuid of own) {
        const { match = "", action = "drop", external_ids = {} } = policies.get(uuid) ?? {};
        // A policy that is in no spec belongs to the VPC's own probe switch (`docs/design/probes.md`), as its
        // external_ids show.
        if (action === "drop" || external_ids["vpc"] === name) continue;
        if (!this.#wanted.has(`${name} ${match}`))
          onViolation(`VPC ${name} has a policy "${match}" (${action}), which was never in its spec`);
      }
    }
  }
}

/** Each set once. */
function distinct(sets: readonly (ReadonlySet<string> | undefined)[]): readonly ReadonlySet<string>[] {
  return [...new Set(sets)].filter((set) => set !== undefined);
}

/**
 * When settled: no load balancer of a VPC sends to an address within that VPC for a pod that has it in another one, and links between routers are those of VPCs
 * that name each other now.
 */
export function wrongTenancy(kube: FakeKube, picture: ClusterView, northbound: NorthboundServer): string[] {
  return [...foreignBackends(kube, picture, northbound), ...staleLinks(kube, northbound)];
}

function foreignBackends(kube: FakeKube, picture: ClusterView, northbound: NorthboundServer): string[] {
  const slices = kube.objects<Slice>(ENDPOINT_SLICES);
  return northbound.rows("Load_Balancer").flatMap(({ name, vips, external_ids }) => {
    const { namespace = "", service = "", vpc = "" } = external_ids;
    const endpoints = slices
      .filter(({ metadata }) => metadata.namespace === namespace && metadata.labels?.[SERVICE_LABEL] === service)
      .flatMap((slice) => slice.endpoints ?? []);
    const ranges = picture.subnets.flatMap((subnet) => (subnet.onOvn && subnet.vpc === vpc ? subnet.blocks : []));
    const backends = new Set(Object.values(vips).flatMap((text) => (text === "" ? [] : text.split(",")).map(hostOf)));
    return [...backends].flatMap((backend) => {
      const address = readAddress(backend);
      if (address === undefined || !ranges.some((block) => isIn(block, address))) return [];
      const meant = endpoints.filter(({ addresses }) => keyOfAddress(addresses[0] ?? "") === keyOfAddress(backend));
      const isOwn = meant.some(
        ({ targetRef }) => targetRef === undefined || isInVpc(picture, namespace, targetRef, vpc),
      );
      if (isOwn) return [];
      const pods = meant.map(({ targetRef }) => targetRef?.name).join() || "no endpoint";
      return [`load balancer ${name} of VPC ${vpc} sends to ${backend}, which is ${pods} of another VPC`];
    });
  });
}

interface Slice extends KubeObject {
  readonly endpoints?: readonly {
    readonly addresses: readonly string[];
    readonly targetRef?: { readonly name: string };
  }[];
}

const SERVICE_LABEL = "kubernetes.io/service-name";

function hostOf(backend: string): string {
  return backend.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}

function isInVpc(picture: ClusterView, namespace: string, { name }: { readonly name: string }, vpc: string): boolean {
  return picture.ips.some(
    (ip) => ip.namespace === namespace && ip.podName === name && picture.subnet(ip.subnet)?.vpc === vpc,
  );
}

function staleLinks(kube: FakeKube, northbound: NorthboundServer): string[] {
  const routers = northbound.rows("Logical_Router");
  const routerOf = new Map(routers.flatMap(({ name, ports }) => ports.map((port) => [port, name] as const)));
  const ports = northbound.rows("Logical_Router_Port");
  const names = (a = "", b = ""): boolean =>
    (read(kube.object(VPCS, { name: a })?.spec).vpcPeerings ?? []).some(({ remoteVpc }) => remoteVpc === b);
  return ports.flatMap(({ _uuid, name, peer }) => {
    const other = ports.find((port) => port.name === peer);
    if (peer === undefined || other === undefined) return [];
    const [a, b] = [routerOf.get(_uuid), routerOf.get(other._uuid)];
    return names(a, b) && names(b, a)
      ? []
      : [`port ${name} links VPC ${a} with VPC ${b}, which do not name each other`];
  });
}

function read(spec: unknown): VpcSpec {
  const fields = (spec ?? {}) as Readonly<Record<string, unknown>>;
  const list = (key: string): never => (Array.isArray(fields[key]) ? fields[key] : []) as never;
  return { staticRoutes: list("staticRoutes"), policyRoutes: list("policyRoutes"), vpcPeerings: list("vpcPeerings") };
}
