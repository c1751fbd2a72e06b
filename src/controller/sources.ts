import type { Logger } from "pino";
import { projectNamespace, projectNode, projectPod } from "../facts/project-core.ts";
import { projectIp } from "../facts/project-ip.ts";
import { projectSubnet } from "../facts/project-subnet.ts";
import { projectVpc } from "../facts/project-vpc.ts";
import type { FactStore } from "../facts/store.ts";
import type { FactKind, FactTypes, SubnetFact, VpcFact } from "../facts/types.ts";
import { type Informer, informer } from "../kube/informer.ts";
import type { Kube } from "../kube/kube.ts";
import type { KubeObject } from "../kube/object.ts";
import { IPS, NAMESPACES, NODES, PODS, type ResourceType, SUBNETS, VPCS } from "../kube/resources.ts";
import type { Settings } from "./settings.ts";
import type { Status } from "./status-writer.ts";

/** A fact with the status of its object, which is none of compile's business. */
interface WithStatus<F> {
  readonly fact: F;
  readonly status: Status;
}

/** The informers, each feeding one kind of fact. What a projection drops is not kept in memory. */
export class Sources {
  readonly #subnets: Informer<WithStatus<SubnetFact>>;
  readonly #vpcs: Informer<WithStatus<VpcFact>>;
  readonly #all: readonly Informer<unknown>[];
  readonly #facts: FactStore;
  readonly #projectSubnet: (object: KubeObject) => SubnetFact;
  readonly #projectVpc: (object: KubeObject) => VpcFact;

  constructor(kube: Kube, facts: FactStore, settings: Settings, log: Logger) {
    this.#facts = facts;
    const defaults = { router: settings.clusterRouter, joinSubnet: settings.nodeSwitch };
    this.#projectSubnet = (object) => projectSubnet(object as Parameters<typeof projectSubnet>[0], defaults);
    this.#projectVpc = (object) => projectVpc(object as Parameters<typeof projectVpc>[0], settings.clusterRouter);
    const onError = (type: ResourceType) => (error: unknown, context: string) =>
      log.warn({ err: error, resource: type.plural, context }, "reading from the API server failed; it is tried again");
    const feed = <K extends FactKind>(
      type: ResourceType,
      kind: K,
      project: (object: never) => FactTypes[K] | undefined,
      fieldSelector?: string,
    ): Informer<FactTypes[K]> => {
      // What a projection reads of an object is its own, structural type; the API server promises the rest.
      const made = informer<KubeObject, FactTypes[K]>(kube, type, {
        project: (object) => project(object as never),
        onError: onError(type),
        ...(fieldSelector === undefined ? {} : { fieldSelector }),
      });
      made.subscribe(({ key, new: now }) => facts.set(kind, key, now));
      return made;
    };
    this.#subnets = informer<KubeObject, WithStatus<SubnetFact>>(kube, SUBNETS, {
      project: (object) => ({
        fact: this.#projectSubnet(object),
        status: (object.status ?? {}) as Status,
      }),
      onError: onError(SUBNETS),
    });
    this.#subnets.subscribe(({ key, new: now }) => facts.set("subnets", key, now?.fact));
    this.#vpcs = informer<KubeObject, WithStatus<VpcFact>>(kube, VPCS, {
      project: (object) => ({
        fact: this.#projectVpc(object),
        status: (object.status ?? {}) as Status,
      }),
      onError: onError(VPCS),
    });
    this.#vpcs.subscribe(({ key, new: now }) => facts.set("vpcs", key, now?.fact));
    this.#all = [
      this.#vpcs,
      this.#subnets,
      feed(NODES, "nodes", projectNode),
      feed(NAMESPACES, "namespaces", projectNamespace),
      feed(IPS, "ips", projectIp),
      feed(PODS, "pods", projectPod, "spec.hostNetwork=false"),
    ];
  }

  start(): void {
    for (const source of this.#all) source.start();
  }

  async whenSynced(signal?: AbortSignal): Promise<void> {
    await Promise.all(this.#all.map((source) => source.whenSynced(signal)));
  }

  /** Whether all have been read. */
  get synced(): boolean {
    return this.#all.every((source) => source.synced);
  }

  /** Whether the informers know a subnet or VPC. */
  has(type: ResourceType, name: string): boolean {
    return this.#facts.get(type === SUBNETS ? "subnets" : "vpcs", name) !== undefined;
  }

  /** Takes a subnet or VPC in that was just made; its informer will confirm it. */
  made(type: ResourceType, object: KubeObject): void {
    if (type === SUBNETS) this.#facts.set("subnets", object.metadata.name, this.#projectSubnet(object));
    else this.#facts.set("vpcs", object.metadata.name, this.#projectVpc(object));
  }

  /** The status of a subnet or VPC as last seen. */
  status(resource: "subnets" | "vpcs", name: string): Status | undefined {
    return (resource === "subnets" ? this.#subnets : this.#vpcs).get(name)?.status;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all.map((source) => source.stop()));
  }

  /** How many facts of each kind there are, for the log. */
  counts(): Readonly<Record<string, number>> {
    const kinds: FactKind[] = ["pods", "nodes", "namespaces", "subnets", "vpcs", "ips"];
    return Object.fromEntries(kinds.map((kind) => [kind, this.#facts.size(kind)]));
  }
}
