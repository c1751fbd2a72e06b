// SPDX-License-Identifier: Apache-2.0

import { NODE, SUBNET } from "../../src/api/annotations.ts";
import { serviceUnit } from "../../src/compile/service/service.ts";
import { vpcUnit } from "../../src/compile/vpc/vpc.ts";
import { encodeSubnetContract } from "../../src/contract/subnet.ts";
import { WriteFence } from "../../src/controller/leadership/fencing.ts";
import { Sources } from "../../src/controller/sources.ts";
import { StatusWriter } from "../../src/controller/status/status-writer.ts";
import { OvsPorts } from "../../src/daemon/ovs/ovs-ports.ts";
import type { NodeFact } from "../../src/facts/node.ts";
import type { PodFact } from "../../src/facts/pod.ts";
import { projectIp } from "../../src/facts/project-ip.ts";
import type { PeeringFact, VpcFact } from "../../src/facts/vpc.ts";
import type { StatefulSetFact } from "../../src/facts/workload.ts";
import { KubeError } from "../../src/kube/errors.ts";
import type { Kube, Patch } from "../../src/kube/kube.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { IPS, NODES, PODS, SUBNETS } from "../../src/kube/resources.ts";
import { Tracker } from "../../src/reconcile/tracker.ts";
import type { Clock } from "../../src/time/clock.ts";
import type { CodeMutation } from "./code-mutation.ts";
import { NAT_MUTATIONS } from "./nat-mutations.ts";
import { replaced } from "./replaced.ts";

/** All mutations. */
export const MUTATIONS: readonly CodeMutation[] = [
  {
    name: "lost-wake-up",
    bug: "one of three pods is not served when it is bound, but only when another event wakes it",
    shown: 6,
    controller: ({ allocator }) => {
      const noteFact = allocator.noteFact.bind(allocator);
      let bound = 0;
      allocator.noteFact = (change) => {
        const [old, now] = [change.old as PodFact | undefined, change.new as PodFact | undefined];
        if (change.kind === "pods" && now?.node !== undefined && old?.node === undefined && ++bound % 3 === 0) return;
        noteFact(change);
      };
    },
  },
  {
    name: "early-release",
    bug: "an address is released when its pod is deleted, before its port is: its next owner shares it for a while",
    shown: 85,
    controller: (controller, { kube }) => {
      // The address is treated as free although the port still exists.
      const get = controller.facts.get.bind(controller.facts);
      controller.facts.get = (kind, key) => (kind === "ports" ? undefined : get(kind, key));
      controller.facts.subscribe((change) => {
        if (change.kind !== "pods" || change.new !== undefined || !controller.leading) return;
        for (const ip of controller.facts.by("ips", "holder", change.key)) {
          if (ip.podType !== "") continue;
          const body = { metadata: { uid: ip.uid, finalizers: [] } };
          kube
            .patch(IPS, { name: ip.name }, { type: "merge", body })
            .then(() => kube.delete(IPS, { name: ip.name }, { preconditions: { uid: ip.uid } }))
            .catch(() => undefined);
        }
      });
    },
  },
  {
    name: "ports-ignored-at-start",
    bug: "a new leader ignores the ports in the database: the address of a port whose record is lost is allocated again",
    shown: 85,
    controller: ({ facts }) => {
      const all = facts.all.bind(facts);
      facts.all = (kind) => (kind === "ports" ? [] : all(kind));
    },
  },
  {
    name: "no-confirmation",
    bug: "the address of a pod of a StatefulSet or virtual machine is released by the informers' state, without asking the API server: it changes if they lag",
    shown: 142,
    parts: (parts) => ({
      ...parts,
      kube: withVerbs(parts.kube, {
        get: (type, ref, options) =>
          type === NODES || type === PODS || type === IPS
            ? parts.kube.get(type, ref, options)
            : Promise.reject(new KubeError("not-found", "planted")),
      }),
    }),
  },
  {
    name: "stale-leader",
    bug: "a new leader uses its informers' state without listing everything again: it allocates addresses that its predecessor allocated",
    shown: 389,
    install: () => replaced(Sources.prototype, "refresh", () => async () => undefined),
  },
  {
    name: "unconditional-writes",
    bug: "records are written and deleted without preconditions, even if they have changed meanwhile",
    shown: 1174,
    parts: (parts) => ({ ...parts, kube: unconditional(parts.kube) }),
  },
  {
    name: "unknown-is-done",
    bug: "a transaction whose result was lost with the connection counts as committed: its effects happen, and its rows are missing",
    shown: 509,
    parts: (parts) => {
      const commit = parts.northbound.commit.bind(parts.northbound);
      parts.northbound.commit = async (plan) => {
        const outcome = await commit(plan);
        return outcome.kind === "unknown" ? { kind: "committed" } : outcome;
      };
      return parts;
    },
  },
  {
    name: "used-before-recorded",
    bug: "an address is used before its record is written: a crash in between loses it",
    shown: 3,
    parts: (parts) => ({ ...parts, kube: withVerbs(parts.kube, {}) }),
    controller: ({ facts }, { kube, clock }) => {
      const create = kube.create.bind(kube);
      kube.create = async (type, object, options) => {
        if (type !== IPS) return create(type, object, options);
        const { name = "" } = object.metadata;
        const metadata = { ...object.metadata, uid: "planted", resourceVersion: "0" };
        facts.set("ips", name, projectIp({ ...object, metadata } as never));
        await new Promise<void>((resolve) => void clock.after(100, resolve));
        return create(type, object, options);
      };
    },
  },
  {
    name: "ordinals-from-zero",
    bug: "`.spec.ordinals.start` of a StatefulSet is ignored: addresses of the last ordinals are not kept",
    shown: 26,
    controller: ({ facts }) => {
      const set = facts.set.bind(facts);
      facts.set = (kind, key, fact) => {
        if (kind !== "statefulSets" || fact === undefined) return set(kind, key, fact);
        const changed: StatefulSetFact = { ...(fact as unknown as StatefulSetFact), start: 0 };
        return set(kind, key, changed as unknown as typeof fact);
      };
    },
  },
  {
    name: "effect-forgotten",
    bug: "a write to Kubernetes that failed because of the connection is not retried",
    shown: 3,
    parts: (parts) => ({
      ...parts,
      kube: withVerbs(parts.kube, {
        patch: async <T extends KubeObject>(...[type, ref, patch, options]: Parameters<Kube["patch"]>) => {
          try {
            return await parts.kube.patch<T>(type, ref, patch, options);
          } catch (error) {
            if (type === PODS && error instanceof KubeError && error.code === "unavailable") return {} as T;
            throw error;
          }
        },
      }),
    }),
  },
  {
    name: "counter-missed",
    bug: "counters of a subnet that change while its status is being written are not updated",
    shown: 75,
    install: () =>
      replaced(StatusWriter.prototype, "touch", (touch) => {
        const touched = new WeakMap<StatusWriter, Set<string>>();
        return function (this: StatusWriter, resource, name) {
          const known = touched.get(this) ?? new Set();
          touched.set(this, known);
          // Every second change is taken for the echo of its own write.
          const echo = known.delete(name);
          if (!echo) known.add(name);
          if (!echo || resource !== "subnets") touch.call(this, resource, name);
        };
      }),
  },
  {
    name: "unfenced",
    bug: "a leader that does not notice that it lost leadership keeps writing to Kubernetes, and deletes records of its successor",
    shown: 13,
    install: () => replaced(WriteFence.prototype, "pass", () => () => Promise.resolve(true)),
  },
  {
    name: "unreadable-is-none",
    bug: "a malformed annotation about networks counts as no networks: the pod loses its secondary interfaces",
    shown: 77,
    controller: ({ facts }) => {
      const set = facts.set.bind(facts);
      facts.set = (kind, key, fact) => {
        if (kind !== "pods" || fact === undefined) return set(kind, key, fact);
        const { networksProblem: _, ...changed } = fact as unknown as PodFact;
        return set(kind, key, changed as unknown as typeof fact);
      };
    },
  },
  {
    name: "withdrawn-kept",
    bug: "the address of a pod that was deleted before it was recorded is not released",
    shown: 3,
    controller: ({ allocator }) => {
      allocator.dropped = () => undefined;
    },
  },
  {
    name: "timers-by-wall-clock",
    bug: "timers and deadlines are times of day: what waits when the clock is set backwards waits as much longer",
    shown: 3,
    extras: ["clocks"],
    parts: (parts) => ({ ...parts, clock: byWallClock(parts.clock) }),
  },
  {
    name: "throw-ends-engine",
    bug: "a unit that throws when it is read or compiled stops the engine: no pod gets a port any more",
    shown: 1,
    extras: ["throws"],
    install: () => {
      const ended = new WeakSet<object>();
      return replaced(Tracker.prototype, "compile", (compile) => {
        return function (this: Tracker<never>, unit) {
          if (ended.has(this)) return { changed: false, fragment: undefined };
          try {
            return compile.call(this, unit);
          } catch (error) {
            ended.add(this);
            throw error;
          }
        };
      });
    },
  },
  {
    name: "forgotten-del",
    bug: "one of three DELs succeeds without removing its port from br-int",
    shown: 3,
    extras: ["nodes"],
    install: () => {
      let asked = 0;
      return replaced(OvsPorts.prototype, "detach", (detach) => {
        return async function (this: OvsPorts, uuids) {
          if (++asked % 3 !== 0) await detach.call(this, uuids);
        };
      });
    },
  },
  {
    name: "foreign-collected",
    bug: "the daemon treats every veth whose name ends in _h as its own, and removes those that have no port",
    shown: 1,
    extras: ["nodes"],
    machine: (parts) => ({
      ...parts,
      links: {
        ...parts.links,
        hostEnds: async () => {
          const ends = await parts.links.hostEnds();
          return ends.map((end) => ({ ...end, isOurs: end.name.endsWith("_h") }));
        },
      },
    }),
  },
  {
    name: "node-follows-ready",
    bug: "a node drops a subnet whose conditions are not all True: an invalid rule makes its pods unreachable",
    shown: 1,
    extras: ["nodes"],
    heard: (type, object) => {
      const { conditions = [] } = (object.status ?? {}) as { conditions?: readonly { type: string; status: string }[] };
      const isReady = conditions.length > 0 && conditions.every(({ status }) => status === "True");
      if (type !== SUBNETS || isReady) return object;
      const contract = encodeSubnetContract({ cidrs: [], natOutgoing: false, gatewayType: "distributed", mtu: 0 });
      const annotations = { ...object.metadata.annotations, [SUBNET.nodeContract]: contract };
      return { ...object, metadata: { ...object.metadata, annotations } };
    },
  },
  {
    name: "half-made-forgotten",
    bug: "what an ADD had created when its daemon was killed is never removed",
    shown: 31,
    extras: ["nodes"],
    machine: (parts) => ({
      ...parts,
      links: {
        ...parts.links,
        hostEnds: async () => {
          const ends = await parts.links.hostEnds();
          return ends.map((end) => ({ ...end, isOurs: false }));
        },
      },
    }),
  },
  {
    name: "endpoints-of-other-vpcs",
    bug: "a Service's load balancer sends to the addresses of endpoints that are pods of other VPCs: in its own VPC another pod has them",
    shown: 1,
    extras: ["tenants"],
    install: () =>
      replaced(serviceUnit, "read", (read) => (reader, key) => {
        const input = read.call(serviceUnit, reader, key);
        return input && { ...input, slices: reader.by("endpointSlices", "service", key) };
      }),
  },
  {
    name: "routes-of-other-vpcs",
    bug: "a VPC gets the static routes of all VPCs",
    shown: 1,
    extras: ["tenants"],
    install: () =>
      replaced(vpcUnit, "read", (read) => (reader, key) => {
        const input = read.call(vpcUnit, reader, key);
        const staticRoutes = reader.all("vpcs").flatMap((vpc) => vpc.staticRoutes);
        return input && { ...input, vpc: { ...input.vpc, staticRoutes } };
      }),
  },
  ...NAT_MUTATIONS,
  {
    name: "one-sided-peering",
    bug: "a VPC is linked to each that names it, whether it names that one or not",
    shown: 1,
    extras: ["tenants"],
    controller: ({ facts }) => {
      const get = facts.get.bind(facts);
      facts.get = (kind, key) => {
        const fact = get(kind, key);
        if (kind !== "vpcs" || fact === undefined) return fact;
        const vpc = fact as unknown as VpcFact;
        const named = new Set(vpc.peerings.map(({ remoteVpc }) => remoteVpc));
        const others = facts.all("vpcs").flatMap((other) => {
          const theirs = other.peerings.find(({ remoteVpc }) => remoteVpc === vpc.name);
          return theirs === undefined || named.has(other.name) ? [] : [answerTo(other.name, theirs)];
        });
        return { ...vpc, peerings: [...vpc.peerings, ...others] } as unknown as typeof fact;
      };
    },
  },
  {
    name: "policies-of-other-vpcs",
    bug: "all VPCs count as peered in policies: a port trusts the addresses of pods that have them in another VPC",
    shown: 9,
    extras: ["tenants"],
    controller: ({ facts }) => {
      const get = facts.get.bind(facts);
      facts.get = (kind, key) => {
        if (kind !== "vpcPeers") return get(kind, key);
        const vpcs = facts.all("vpcs").flatMap(({ name }) => (name === key ? [] : [name]));
        return { key, vpcs } as unknown as ReturnType<typeof get<typeof kind>>;
      };
    },
  },
  {
    name: "sessions-outlive-ports",
    bug: "the BFD sessions of a router port stay when it is removed: ovn-northd does not handle every one of them",
    shown: 1,
    extras: ["bfd"],
    parts: (parts) => {
      const { client } = parts.northbound;
      const transact = client.transact.bind(client);
      client.transact = (database, operations, options) => {
        const kept = operations.filter((operation) => operation.op !== "delete" || operation.table !== "BFD");
        return transact(database, kept, options);
      };
      return parts;
    },
  },
  {
    name: "session-of-another-hop",
    bug: "a route is monitored by whatever session its VPC names, also by one with another next hop",
    shown: 2,
    extras: ["bfd"],
    install: () =>
      replaced(vpcUnit, "read", (read) => (reader, key) => {
        const input = read.call(vpcUnit, reader, key);
        const routes = input?.vpc.staticRoutes ?? [];
        const sessions = routes.flatMap(({ bfdId, nextHopIp }) =>
          reader.by("bfdSessions", "uuid", bfdId).map(({ uuid }) => ({ uuid, address: nextHopIp })),
        );
        return input && { ...input, sessions };
      }),
  },
  {
    name: "dead-gateway-kept",
    bug: "a centralized subnet goes on leaving by a node that is not Ready",
    shown: 3,
    extras: ["chassis"],
    controller: ({ facts }) => {
      const set = facts.set.bind(facts);
      facts.set = (kind, key, fact) => {
        if (kind === "gatewayLosses" || kind === "gatewaySplits") return;
        if (kind !== "nodes" || fact === undefined) set(kind, key, fact);
        else set(kind, key, { ...(fact as unknown as NodeFact), ready: true } as unknown as typeof fact);
      };
    },
  },
  {
    name: "southbound-ignored",
    bug: "that another chassis has a gateway node's port is not noticed: packets are lost until kubelet's silence shows",
    shown: 3,
    extras: ["chassis"],
    controller: ({ facts }) => {
      const set = facts.set.bind(facts);
      facts.set = (kind, key, fact) => void (kind !== "gatewayPorts" && set(kind, key, fact));
    },
  },
  {
    name: "former-chassis",
    bug: "the chassis that a node had first stays in groups and variables when the node has been reinstalled",
    shown: 3,
    extras: ["chassis"],
    controller: ({ facts }) => {
      const set = facts.set.bind(facts);
      const first = new Map<string, string>();
      facts.set = (kind, key, fact) => {
        const node = fact as unknown as NodeFact | undefined;
        const chassis = node?.annotations?.[NODE.chassis];
        if (kind !== "nodes" || node === undefined || chassis === undefined) {
          set(kind, key, fact);
          return;
        }
        const annotations = { ...node.annotations, [NODE.chassis]: first.get(key) ?? chassis };
        if (!first.has(key)) first.set(key, chassis);
        set(kind, key, { ...node, annotations } as unknown as typeof fact);
      };
    },
  },
];

/** The other side of a peering, as its user would have written it. */
function answerTo(remoteVpc: string, { path, local }: PeeringFact): PeeringFact {
  const [v4] = [local.v4];
  const other = v4?.address.endsWith(".1") ? v4.address.replace(/1$/, "2") : v4?.address.replace(/2$/, "1");
  return { path, remoteVpc, local: v4 === undefined ? {} : { v4: { ...v4, address: other ?? v4.address } } };
}

/** The mutation of that name; throws if there is none. */
export function mutationNamed(name: string): CodeMutation {
  const mutation = MUTATIONS.find((candidate) => candidate.name === name);
  if (mutation === undefined)
    throw new Error(`mutation ${name} must be one of: ${MUTATIONS.map((one) => one.name).join(", ")}`);
  return mutation;
}

/** `kube` with some verbs replaced. */
function withVerbs(kube: Kube, verbs: Partial<Kube>): Kube {
  return {
    get: (type, ref, options) => kube.get(type, ref, options),
    list: (type, options) => kube.list(type, options),
    watch: (type, options, onEvent) => kube.watch(type, options, onEvent),
    create: (type, object, options) => kube.create(type, object, options),
    update: (type, object, options) => kube.update(type, object, options),
    patch: (type, ref, patch, options) => kube.patch(type, ref, patch, options),
    delete: (type, ref, options) => kube.delete(type, ref, options),
    ...verbs,
  };
}

/** Removes resource versions and UIDs from what it sends. */
function unconditional(kube: Kube): Kube {
  return withVerbs(kube, {
    patch: (type, ref, patch, options) => kube.patch(type, ref, type === IPS ? careless(patch) : patch, options),
    delete: (type, ref) => kube.delete(type, ref),
  });
}

function careless(patch: Patch): Patch {
  if (patch.type !== "merge") return patch;
  const { metadata: { uid: _, resourceVersion: __, ...metadata } = {}, ...body } = patch.body as {
    metadata?: { uid?: string; resourceVersion?: string };
  };
  return { ...patch, body: { ...body, metadata } };
}

/** A clock with timers that end at a time of day. */
function byWallClock(clock: Clock): Clock {
  return {
    ...clock,
    now: clock.wall,
    after(ms, run) {
      const due = clock.wall() + ms;
      let cancel: () => void;
      const look = (): void => {
        const left = due - clock.wall();
        if (left > 0) cancel = clock.after(left, look);
        else run();
      };
      cancel = clock.after(ms, look);
      return () => cancel();
    },
  };
}
