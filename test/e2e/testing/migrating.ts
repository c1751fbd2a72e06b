// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { longestSilence } from "../../../hack/traffic/stream.ts";
import { PODS } from "../../../src/kube/resources.ts";
import { type Echo, type Guest, guestIn, pinging } from "./guest.ts";
import { createMigration, launcherPod } from "./kubevirt.ts";
import type { Thing } from "./objects.ts";
import { ready } from "./pods.ts";
import type { World } from "./world.ts";

const EVERY_MS = 10;
/** The limit on a heavily loaded machine, in ms. The measured time is in a comment of the test. */
export const MOST_MS = 5_000;

/** One stream of pings. */
export interface Stream {
  readonly what: string;
  readonly shots: readonly Echo[];
}

/** When the target pod was created, and when the virtual machine was paused in one pod and announced from the other, in ms since the epoch. */
export interface Move {
  readonly begun: number;
  readonly paused: number;
  readonly announced: number;
}

/** Pings each address from each pod until it is stopped, or the test ends. */
export async function streams(
  t: Test,
  pods: readonly Thing[],
  addresses: readonly string[],
): Promise<() => Promise<readonly Stream[]>> {
  const all = pods.flatMap((pod) => addresses.map((address) => ({ pod, address })));
  const begun = await Promise.all(
    all.map(async ({ pod, address }) => ({
      what: `${address} from ${pod.spec.nodeName}`,
      stream: await pinging(pod, address, EVERY_MS),
    })),
  );
  let stopped: Promise<readonly Stream[]> | undefined;
  const stop = (): Promise<readonly Stream[]> => {
    stopped ??= Promise.all(begun.map(async ({ what, stream }) => ({ what, shots: await stream.stop() })));
    return stopped;
  };
  t.teardown(stop);
  return stop;
}

/** The longest time in which no ping was answered, in ms, including the end. */
export function silence(shots: readonly Echo[]): number {
  const answered = shots.map(({ sent, echoes: [echoed] }) => ({ sent, ...(echoed !== undefined && { echoed }) }));
  return longestSilence(answered, EVERY_MS) * 1_000;
}

/** The effect of a migration on one stream of pings. */
export function judge(t: Test, { what, shots }: Stream, { begun, paused, announced }: Move): void {
  const before = shots.filter(({ sent }) => sent < paused);
  const after = shots.filter(({ echoes }) => echoes.some((at) => at > announced));
  t.ok(
    before.some(({ echoes }) => echoes.length > 0),
    `${what}: it was answered before`,
  );
  neverByBoth(t, { what, shots }, begun);
  const first = Math.min(...after.flatMap(({ echoes }) => echoes));
  const cutOver = first - announced;
  t.ok(cutOver < MOST_MS, `${what}: it is answered from the other node`);
  const later = shots.filter(({ sent }) => sent > first);
  t.ok(silence(later) < MOST_MS, `${what}: and goes on to be`);
  const lost = shots.filter(({ sent, echoes }) => sent > paused && sent < first && echoes.length === 0).length;
  const share = later.filter(({ echoes }) => echoes.length === 0).length;
  t.comment(
    `${what}: first answer ${cutOver.toFixed(0)} ms after the announcement, ${(first - paused).toFixed(0)} ms after the pause (${lost} pings); ` +
      `after that ${share} of ${later.length} lost, longest silence ${silence(later).toFixed(0)} ms; before ${silence(before).toFixed(0)} ms`,
  );
}

/** Asserts that only one pod answers although both have the address during the migration. `begun`: when the target pod was created. */
export function neverByBoth(t: Test, { what, shots }: Stream, begun: number): void {
  t.same(
    shots.flatMap(({ sent, echoes }) =>
      echoes.length > 1 ? `sent ${(sent - begun).toFixed(0)} ms after the target` : [],
    ),
    [],
    `${what}: never by both pods`,
  );
}

/** A virtual machine that migrates from node to node. The test acts as KubeVirt and QEMU. */
export class MovedMachine {
  readonly #world: World;
  readonly #namespace: string;
  readonly #name: string;
  /** Interface → the name of its logical port and IP object. */
  readonly #ports: Readonly<Record<string, string>>;
  readonly #guests = new Map<string, Guest>();
  #begun = 0;

  /** @param ports interface → the name of its logical port. */
  constructor(world: World, namespace: string, name: string, ports: Readonly<Record<string, string>>) {
    this.#world = world;
    this.#namespace = namespace;
    this.#name = name;
    this.#ports = ports;
  }

  /** uuids of its ports' rows; undefined for one that does not exist. */
  rows(): readonly (string | undefined)[] {
    return Object.values(this.#ports).map((port) => this.#world.nb.port(port)?._uuid);
  }

  /** Resolves when all its ports are on these chassis. */
  async isOn(chassis: string, strategy?: string, ms?: number): Promise<void> {
    for (const port of Object.values(this.#ports)) {
      const is = (): boolean => {
        const { "requested-chassis": on, "activation-strategy": how } = this.#world.nb.port(port)?.options ?? {};
        return on === chassis && how === strategy;
      };
      await this.#world.nb.until(`${port} is on ${chassis}`, is, ms);
    }
  }

  /** Resolves when all its IP objects belong to that pod. */
  async isRecordedFor(pod: Thing): Promise<void> {
    for (const port of Object.values(this.#ports)) {
      await this.#world.ips.until(
        port,
        `is of ${pod.metadata.name}`,
        (ip) =>
          ip?.metadata.annotations?.["weft.kubeovn.io/pod-uid"] === pod.metadata.uid &&
          ip.spec.nodeName === pod.spec.nodeName,
      );
    }
  }

  /** The pods that have an interface for one of its ports on a node: one name for each. */
  interfaces(node: string): readonly string[] {
    const ports = new Set(Object.values(this.#ports));
    return this.#world
      .ovs(node)
      .podInterfaces()
      .flatMap(({ external_ids: ids }) => (ports.has(ids["iface-id"] ?? "") ? (ids["pod_name"] ?? "") : []));
  }

  /** KubeVirt makes a migration and its target; resolves when the target is Ready and the ports are on both nodes. */
  async begin(
    migration: string,
    target: { readonly name: string; readonly node: string; readonly annotations?: Record<string, string> },
    from: string,
  ): Promise<Thing> {
    const uid = await createMigration(this.#world, this.#namespace, this.#name, migration);
    const { name, node, annotations } = target;
    this.#begun = Date.now();
    await this.#world.kube.create(PODS, launcherPod(this.#namespace, this.#name, name, node, uid, annotations));
    const [pod] = await ready(this.#world, this.#namespace, [name]);
    if (pod === undefined) throw new Error(`${name} is not there`);
    await this.isOn(`${from},${node}`, "rarp");
    return pod;
  }

  /** When the last target pod was created, ms since the epoch. */
  get begun(): number {
    return this.#begun;
  }

  /** Acts as QEMU: pauses it in one pod and continues it in the other, which announces each of its interfaces. Returns interface → time. */
  async move(from: Thing, to: Thing): Promise<ReadonlyMap<string, Move>> {
    const links = Object.keys(this.#ports);
    const [first = ""] = links;
    const source = await this.#guest(from, first);
    const targets = await Promise.all(links.map(async (link) => [link, await this.#guest(to, link)] as const));
    // The pod's kernel answers pings for all interfaces at once.
    const begun = this.#begun;
    const paused = await source.pause();
    return new Map(
      await Promise.all(
        targets.map(async ([link, guest]) => [link, { begun, paused, announced: await guest.announce() }] as const),
      ),
    );
  }

  /** Resolves when a pod and its interfaces are deleted. */
  async endPod(name: string): Promise<void> {
    await this.#world.kube.delete(PODS, { namespace: this.#namespace, name }, { gracePeriodSeconds: 0 });
    await this.#world.pods.gone(`${this.#namespace}/${name}`);
    for (const node of this.#world.lab.nodes)
      await this.#world.ovs(node).until(`no interface of ${name}`, () => !this.interfaces(node).includes(name), 60_000);
  }

  /** Resolves when its IP objects and ports are deleted. */
  async isGone(): Promise<void> {
    for (const port of Object.values(this.#ports)) await this.#world.ips.gone(port, 60_000);
  }

  /** Ends what stands in for the virtual machine in its pods. */
  async stop(): Promise<void> {
    await Promise.all([...this.#guests.values()].map((guest) => guest.stop()));
  }

  async #guest(pod: Thing, link: string): Promise<Guest> {
    const key = `${pod.metadata.name} ${link}`;
    const made = this.#guests.get(key) ?? (await guestIn(pod, link));
    this.#guests.set(key, made);
    return made;
  }
}
