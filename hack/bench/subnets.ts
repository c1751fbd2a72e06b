// SPDX-License-Identifier: Apache-2.0

import type { Condition } from "../../src/api/conditions.ts";
import { type Informer, informer } from "../../src/kube/informer.ts";
import type { Kube } from "../../src/kube/kube.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { IP_POOLS, type ResourceType, SECURITY_GROUPS, SUBNETS, VIPS, VPCS } from "../../src/kube/resources.ts";
import type { Build } from "./builds.ts";
import { calm, type Load, loadBetween, readLoad, sumLoads } from "./controller-load.ts";
import { type Bench, type BenchOptions, onQuietCluster, SAID } from "./controllers.ts";
import { type Spread, spread } from "./statistics.ts";

/** Kinds whose first state is awaited; `spec` of the n-th object. The first subnet is there while the others of its kind are made. */
const KINDS: readonly { readonly kind: string; readonly type: ResourceType; readonly spec: (n: number) => object }[] = [
  { kind: "Subnet", type: SUBNETS, spec: (n) => ({ cidrBlock: `10.200.${n}.0/24` }) },
  { kind: "Vpc", type: VPCS, spec: () => ({}) },
  { kind: "Vip", type: VIPS, spec: () => ({ subnet: "ovn-default" }) },
  {
    kind: "IPPool",
    type: IP_POOLS,
    spec: (n) => ({ subnet: "ovn-default", ips: [`10.16.200.${n * 2 + 2}..10.16.200.${n * 2 + 3}`] }),
  },
  { kind: "SecurityGroup", type: SECURITY_GROUPS, spec: () => ({ allowSameGroupTraffic: true }) },
];

/** Subnets at once. */
const MANY = 100;

/** How long one may take, in ms. */
const LIMIT_MS = 120_000;

/** From the create call until condition `Ready` was seen to be True, by build. */
export interface SubnetsFigures {
  readonly name: Build["name"];
  /** Kind → ms of single objects, with nothing else to do. */
  readonly single: Readonly<Record<string, Spread>>;
  /** {@link MANY} subnets, which one client creates one after the other: until the last one was Ready, ms; each turn. */
  readonly many: readonly number[];
  /** While they came. */
  readonly load: Load;
}

/** The figures of one run. */
export interface SubnetsBench {
  readonly at: string;
  readonly subnets: number;
  /** This one first. */
  readonly builds: readonly SubnetsFigures[];
}

/** Measures how long new objects take to be Ready, under a controller as the image has it. */
export async function benchSubnets(options: BenchOptions & { readonly turns: number }): Promise<SubnetsBench> {
  return await onQuietCluster(options, async (bench) => {
    const gathered = bench.builds.map((build) => ({
      build,
      single: new Map<string, number[]>(),
      many: [] as number[],
      loads: [] as Load[],
    }));
    for (let turn = 0; turn < options.turns; turn++) {
      for (const { build, single, many, loads } of turn % 2 === 0 ? gathered : gathered.toReversed()) {
        const controller = bench.controllers.start(build);
        await controller.said(SAID.idle);
        await calm(bench.lab);
        await bench.progress.step(`${build.name}: single objects`, async () => {
          for (const kind of KINDS) {
            const times = single.get(kind.kind) ?? [];
            single.set(kind.kind, times);
            times.push(...(await singles(bench, kind)));
          }
        });
        await calm(bench.lab);
        many.push(await bench.progress.step(`${build.name}: ${MANY} subnets`, () => together(bench, loads)));
        await bench.controllers.stop(controller);
      }
    }
    return {
      at: new Date().toISOString(),
      subnets: MANY,
      builds: gathered.map(({ build, single, many, loads }) => ({
        name: build.name,
        single: Object.fromEntries([...single].map(([kind, times]) => [kind, spread(times)])),
        many,
        load: sumLoads(loads),
      })),
    };
  });
}

/** Ten objects, each when the last one is Ready and all is quiet again. */
async function singles({ pods: { kube } }: Bench, { type, spec }: (typeof KINDS)[number]): Promise<readonly number[]> {
  const watch = await Watch.open(kube, type);
  const times: number[] = [];
  try {
    for (let n = 0; n < 10; n++) {
      const started = performance.now();
      await create(kube, type, `bench-${n}`, spec(n));
      times.push((await watch.ready(`bench-${n}`)) - started);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    return times;
  } finally {
    await watch.clear();
  }
}

/** What the machine did meanwhile is added to `loads`. */
async function together({ lab, pods: { kube } }: Bench, loads: Load[]): Promise<number> {
  const watch = await Watch.open(kube, SUBNETS);
  try {
    const before = readLoad(lab);
    const started = performance.now();
    for (let n = 0; n < MANY; n++) await create(kube, SUBNETS, `bench-${n}`, { cidrBlock: `10.201.${n}.0/24` });
    const ready = await Promise.all(Array.from({ length: MANY }, (_, n) => watch.ready(`bench-${n}`)));
    loads.push(loadBetween(before, readLoad(lab)));
    return Math.max(...ready) - started;
  } finally {
    await watch.clear();
  }
}

async function create(kube: Kube, type: ResourceType, name: string, spec: object): Promise<void> {
  await kube.create(type, { metadata: { name }, spec } as Parameters<Kube["create"]>[1]);
}

/** Sees when objects become Ready, and clears them away. */
class Watch {
  readonly #kube: Kube;
  readonly #type: ResourceType;
  readonly #objects: Informer<{ readonly ready: boolean }>;
  /** Name → when it was Ready. */
  readonly #ready = new Map<string, PromiseWithResolvers<number>>();
  readonly #names = new Set<string>();
  #gone: () => void = () => undefined;

  private constructor(kube: Kube, type: ResourceType) {
    this.#kube = kube;
    this.#type = type;
    this.#objects = informer<
      KubeObject & { readonly status?: { readonly conditions?: readonly Condition[] } },
      { readonly ready: boolean }
    >(kube, type, {
      project: ({ metadata, status }) =>
        metadata.name.startsWith("bench-")
          ? { ready: status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") === true }
          : undefined,
    });
    this.#objects.subscribe(({ key, new: now }) => {
      if (now?.ready === true) this.#of(key).resolve(performance.now());
      if (this.#objects.size === 0) this.#gone();
    });
  }

  static async open(kube: Kube, type: ResourceType): Promise<Watch> {
    const watch = new Watch(kube, type);
    watch.#objects.start();
    await watch.#objects.whenSynced(AbortSignal.timeout(30_000));
    return watch;
  }

  /** When the object was Ready, by `performance.now()`. */
  async ready(name: string): Promise<number> {
    this.#names.add(name);
    const { promise, reject } = this.#of(name);
    const timer = setTimeout(() => reject(new Error(`${this.#type.kind} ${name} is not Ready`)), LIMIT_MS);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Deletes all that was made, and returns when it is gone. */
  async clear(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#gone = resolve;
    for (const name of this.#names) await this.#kube.delete(this.#type, { name }).catch(() => undefined);
    if (this.#objects.size === 0) resolve();
    const timer = setTimeout(() => reject(new Error(`${this.#type.kind} objects are not gone`)), LIMIT_MS);
    await promise;
    clearTimeout(timer);
    await this.#objects.stop();
  }

  #of(name: string): PromiseWithResolvers<number> {
    let waiting = this.#ready.get(name);
    if (waiting === undefined) {
      waiting = Promise.withResolvers<number>();
      this.#ready.set(name, waiting);
    }
    return waiting;
  }
}
