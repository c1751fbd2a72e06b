// SPDX-License-Identifier: Apache-2.0

import { SUBNET } from "../../src/api/annotations.ts";
import { encodeSubnetContract } from "../../src/contract/subnet.ts";
import type { Controller, ControllerParts } from "../../src/controller/controller.ts";
import { WriteFence } from "../../src/controller/leadership/fencing.ts";
import { Sources } from "../../src/controller/sources.ts";
import { StatusWriter } from "../../src/controller/status/status-writer.ts";
import { OvsPorts } from "../../src/daemon/ovs/ovs-ports.ts";
import type { PodFact } from "../../src/facts/pod.ts";
import { projectIp } from "../../src/facts/project-ip.ts";
import type { StatefulSetFact } from "../../src/facts/workload.ts";
import { KubeError } from "../../src/kube/errors.ts";
import type { Kube, Patch } from "../../src/kube/kube.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { IPS, NODES, PODS, type ResourceType, SUBNETS } from "../../src/kube/resources.ts";
import { Tracker } from "../../src/reconcile/tracker.ts";
import type { Extra } from "./extras.ts";
import type { MachineParts } from "./node/process-parts.ts";
import { replaced } from "./replaced.ts";

/**
 * A bug that is planted to see whether a simulation finds it. It is planted here, from outside: by wrapping what a controller is
 * given, by getting in between its parts, or by replacing a method while a run lasts. The product knows nothing of it.
 */
export interface Plant {
  readonly name: string;
  /** The bug, and what it does in a real cluster. */
  readonly bug: string;
  /** A seed that showed it when this was written: a search that begins there soon finds it, a search from 1 on finds it by then. */
  readonly shown: number;
  /** Spoils what a controller is made of. */
  readonly parts?: (parts: ControllerParts) => ControllerParts;
  /** Spoils a controller that has just been made. */
  readonly controller?: (controller: Controller, parts: ControllerParts) => void;
  /** What a run must have for the bug to show, beside what all have. */
  readonly extras?: readonly Extra[];
  /** Spoils what a daemon is given of its machine. */
  readonly machine?: (parts: MachineParts) => MachineParts;
  /** Spoils an object that a daemon has listed or heard of. */
  readonly heard?: <T extends KubeObject>(type: ResourceType, object: T) => T;
  /** Spoils all controllers and daemons of this thread; what it returns undoes that. */
  readonly install?: () => () => void;
}

/** All of them, each of another nature. */
export const PLANTS: readonly Plant[] = [
  {
    name: "lost-wake-up",
    bug: "one pod of three is not served when it is bound, but when something else wakes it",
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
    bug: "an address is given back when its pod goes, before its port has gone: its next holder shares it for a while",
    shown: 85,
    controller: (controller, { kube }) => {
      // The address counts as free although the port is still there.
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
    bug: "a new leader does not look at the ports that are in the database: the address of a port whose record is lost is given again",
    shown: 85,
    controller: ({ facts }) => {
      const all = facts.all.bind(facts);
      facts.all = (kind) => (kind === "ports" ? [] : all(kind));
    },
  },
  {
    name: "no-confirmation",
    bug: "the address of a StatefulSet's or machine's pod is given back on what informers say, without asking the API server: it changes where they lag behind",
    shown: 142,
    parts: (parts) => ({
      ...parts,
      kube: spoilt(parts.kube, {
        get: (type, ref, options) =>
          type === NODES || type === PODS || type === IPS
            ? parts.kube.get(type, ref, options)
            : Promise.reject(new KubeError("not-found", "planted")),
      }),
    }),
  },
  {
    name: "stale-leader",
    bug: "a new leader decides on what its informers happen to know, without reading everything anew: it gives what its predecessor gave",
    shown: 389,
    install: () => replaced(Sources.prototype, "refresh", () => async () => undefined),
  },
  {
    name: "unconditional-writes",
    bug: "records are written and deleted whatever has become of them since that was decided",
    shown: 1174,
    parts: (parts) => ({ ...parts, kube: unconditional(parts.kube) }),
  },
  {
    name: "unknown-is-done",
    bug: "a transaction whose answer was lost with its connection is taken for done: its effects happen, and its rows are missing",
    shown: 12,
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
    bug: "an address is used as soon as it is decided, while its record is still being written: a crash in between loses it",
    shown: 3,
    parts: (parts) => ({ ...parts, kube: spoilt(parts.kube, {}) }),
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
    bug: "`.spec.ordinals.start` of a StatefulSet is ignored: addresses of its last places are not kept",
    shown: 26,
    controller: ({ facts }) => {
      const set = facts.set.bind(facts);
      facts.set = (kind, key, fact) => {
        if (kind !== "statefulSets" || fact === undefined) return set(kind, key, fact);
        const spoilt: StatefulSetFact = { ...(fact as unknown as StatefulSetFact), start: 0 };
        return set(kind, key, spoilt as unknown as typeof fact);
      };
    },
  },
  {
    name: "effect-forgotten",
    bug: "a write to Kubernetes that failed for want of a connection is not tried again",
    shown: 3,
    parts: (parts) => ({
      ...parts,
      kube: spoilt(parts.kube, {
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
    bug: "a subnet's counters that change while its status is being written stay as they were",
    shown: 6,
    install: () =>
      replaced(StatusWriter.prototype, "touch", (touch) => {
        const touched = new WeakMap<StatusWriter, Set<string>>();
        return function (this: StatusWriter, resource, name) {
          const known = touched.get(this) ?? new Set();
          touched.set(this, known);
          // Every second time is taken for the echo of its own write.
          const echo = known.delete(name);
          if (!echo) known.add(name);
          if (!echo || resource !== "subnets") touch.call(this, resource, name);
        };
      }),
  },
  {
    name: "unfenced",
    bug: "a leader that is deposed without noticing goes on writing to Kubernetes, and deletes what its successor records",
    shown: 13,
    install: () => replaced(WriteFence.prototype, "pass", () => () => Promise.resolve(true)),
  },
  {
    name: "unreadable-is-none",
    bug: "what a pod says of networks and cannot be read counts as nothing: a slip in an annotation cuts off what the pod has",
    shown: 77,
    controller: ({ facts }) => {
      const set = facts.set.bind(facts);
      facts.set = (kind, key, fact) => {
        if (kind !== "pods" || fact === undefined) return set(kind, key, fact);
        const { networksProblem: _, ...spoilt } = fact as unknown as PodFact;
        return set(kind, key, spoilt as unknown as typeof fact);
      };
    },
  },
  {
    name: "withdrawn-kept",
    bug: "the address of a pod that was deleted before it was recorded is not given back",
    shown: 3,
    controller: ({ allocator }) => {
      allocator.dropped = () => undefined;
    },
  },
  {
    name: "throw-ends-engine",
    bug: "a unit that throws when it is read or compiled stops the engine: nobody gets a port any more",
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
    bug: "one DEL of three is answered and its port left on br-int",
    shown: 1,
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
    bug: "the daemon takes every veth whose name ends in _h for its own, and removes those that have no port",
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
    bug: "a node forgets a subnet whose conditions are not all True: a slip in its rules takes the way to its pods away",
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
    bug: "what an ADD had made when its daemon died stays for ever",
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
];

/** The plant of that name; throws, with all names, where there is none. */
export function plantNamed(name: string): Plant {
  const plant = PLANTS.find((candidate) => candidate.name === name);
  if (plant === undefined) throw new Error(`no plant is called ${name}: ${PLANTS.map((one) => one.name).join(", ")}`);
  return plant;
}

/** A client that is as `kube`, but for some verbs. */
function spoilt(kube: Kube, verbs: Partial<Kube>): Kube {
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

/** Leaves versions and UIDs out of what it sends. */
function unconditional(kube: Kube): Kube {
  return spoilt(kube, {
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
