// SPDX-License-Identifier: Apache-2.0

import { getOrAdd } from "../../collections/get-or-add.ts";
import { samePlain } from "../../collections/plain.ts";
import { type Informer, informer } from "../../kube/informer.ts";
import type { InformerTime } from "../../kube/informer-options.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { ENDPOINT_SLICES } from "../../kube/resources.ts";
import { parseIp } from "../../net/address.ts";
import { readNftProtocol } from "./node-services.ts";
import type { LocalEndpoint } from "./service-rules.ts";

/** The label that names the Service of an EndpointSlice (discovery.k8s.io/v1). */
const SERVICE_LABEL = "kubernetes.io/service-name";
/** If more Services than this are needed, all EndpointSlices are watched: the selector is part of the URL. */
const MAX_NAMES = 50;

/** What {@link readLocalSlice} reads of an EndpointSlice. */
export interface SliceWithNodes extends KubeObject {
  readonly ports?:
    | readonly { readonly name?: string | null; readonly protocol?: string | null; readonly port?: number | null }[]
    | null;
  readonly endpoints?:
    | readonly {
        readonly addresses?: readonly string[] | null;
        readonly nodeName?: string | null;
        readonly conditions?: {
          readonly ready?: boolean | null;
          readonly serving?: boolean | null;
          readonly terminating?: boolean | null;
        } | null;
      }[]
    | null;
}

/**
 * The endpoints of one EndpointSlice, as one node sees them, for `externalTrafficPolicy: Local`. Connections to a ClusterIP (`internalTrafficPolicy`) are balanced by
 * OVN, from nodes too: `src/compile/service/internal-policy-local.ts`.
 */
export interface LocalSlice {
  /** Key of the Service. */
  readonly service: string;
  /** On the node. */
  readonly ready: readonly LocalEndpoint[];
  /** Endpoints that are terminating but still serving. */
  readonly draining: readonly LocalEndpoint[];
  /** The ready ones on other nodes. */
  readonly elsewhere: readonly LocalEndpoint[];
}

/** The endpoints of a slice, as `node` sees them; undefined if it needs none of them. */
export function readLocalSlice(slice: SliceWithNodes, node: string): LocalSlice | undefined {
  const { namespace, labels = {} } = slice.metadata;
  const found = { ready: [] as LocalEndpoint[], draining: [] as LocalEndpoint[], elsewhere: [] as LocalEndpoint[] };
  for (const { addresses, nodeName, conditions } of slice.endpoints ?? []) {
    const ip = parseIp(addresses?.[0] ?? "");
    if (ip === undefined) continue;
    const [here, ready] = [nodeName === node, conditions?.ready ?? true];
    const drains = here && (conditions?.serving ?? true) && conditions?.terminating === true;
    const list = ready ? (here ? found.ready : found.elsewhere) : drains ? found.draining : undefined;
    for (const { name, protocol, port } of slice.ports ?? []) {
      const word = readNftProtocol(protocol ?? "TCP");
      if (word !== undefined && port) list?.push({ port: name ?? "", protocol: word, ip, number: port });
    }
  }
  if (Object.values(found).every((list) => list.length === 0)) return undefined;
  return { service: `${namespace}/${labels[SERVICE_LABEL] ?? ""}`, ...found };
}

/**
 * Watches the endpoints of the given Services, by label selector, so that EndpointSlices of other Services are not sent to this node.
 * When the set of Services changes, the known endpoints stay until the new list is complete.
 */
export class LocalEndpoints {
  readonly #make: (selector: string | undefined) => Informer<LocalSlice>;
  readonly #onChange: () => void;
  #selector: string | undefined = "";
  #current: Informer<LocalSlice> | undefined;
  #next: Informer<LocalSlice> | undefined;

  constructor(
    { kube, node, time }: { readonly kube: Kube; readonly node: string; readonly time?: InformerTime },
    onError: (error: unknown, context: string) => void,
    onChange: () => void,
  ) {
    this.#onChange = onChange;
    this.#make = (labelSelector) =>
      informer<SliceWithNodes, LocalSlice>(kube, ENDPOINT_SLICES, {
        fromMemory: true,
        ...(labelSelector !== undefined && { labelSelector }),
        project: (slice) => readLocalSlice(slice, node),
        equal: samePlain,
        onError,
        ...time,
      });
  }

  /** Whether the list is complete. */
  get synced(): boolean {
    return this.#next === undefined;
  }

  /** Sets the Services whose endpoints are needed, by their keys. */
  follow(keys: readonly string[]): void {
    const names = [...new Set(keys.map((key) => key.slice(key.indexOf("/") + 1)))].sort();
    const selector =
      names.length === 0 ? "" : names.length > MAX_NAMES ? undefined : `${SERVICE_LABEL} in (${names.join(",")})`;
    if (selector === this.#selector) return;
    this.#selector = selector;
    void this.#next?.stop();
    this.#next = undefined;
    if (selector === "") {
      void this.#current?.stop();
      this.#current = undefined;
      this.#onChange();
      return;
    }
    const next = this.#make(selector);
    this.#next = next;
    next.whenSynced().then(
      () => this.#swap(next),
      () => undefined,
    );
    next.start();
  }

  /** Key of the Service → its endpoints on this node: the ready ones or, if there are none, those that are terminating but still serving. */
  byService(): ReadonlyMap<string, readonly LocalEndpoint[]> {
    const [ready, draining] = [new Map<string, LocalEndpoint[]>(), new Map<string, LocalEndpoint[]>()];
    for (const slice of this.#current?.values() ?? []) {
      for (const [map, list] of [
        [ready, slice.ready],
        [draining, slice.draining],
      ] as const)
        if (list.length > 0) getOrAdd(map, slice.service, (): LocalEndpoint[] => []).push(...list);
    }
    return new Map([...draining, ...ready]);
  }

  /** Key of the Service → its ready endpoints on all nodes. */
  everywhere(): ReadonlyMap<string, readonly LocalEndpoint[]> {
    const found = new Map<string, LocalEndpoint[]>();
    for (const { service, ready, elsewhere } of this.#current?.values() ?? [])
      if (ready.length + elsewhere.length > 0)
        getOrAdd(found, service, (): LocalEndpoint[] => []).push(...ready, ...elsewhere);
    return found;
  }

  /** The number of ready endpoints of a Service on this node, in the family with more of them. Terminating endpoints do not count. */
  readyCount(service: string): number {
    const slices = [...(this.#current?.values() ?? [])].filter((slice) => slice.service === service);
    const ips = new Map(slices.flatMap(({ ready }) => ready.map(({ ip }) => [ip.text, ip.family])));
    const families = [...ips.values()];
    return Math.max(...([4, 6] as const).map((family) => families.filter((each) => each === family).length));
  }

  async stop(): Promise<void> {
    await Promise.all([this.#current?.stop(), this.#next?.stop()]);
  }

  #swap(next: Informer<LocalSlice>): void {
    if (this.#next !== next) return;
    void this.#current?.stop();
    this.#current = next;
    this.#next = undefined;
    next.subscribe(this.#onChange);
    this.#onChange();
  }
}
