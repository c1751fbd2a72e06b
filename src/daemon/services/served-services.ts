// SPDX-License-Identifier: Apache-2.0

import type { Informer } from "../../kube/informer.ts";
import type { InformerTime } from "../../kube/informer-options.ts";
import type { Kube } from "../../kube/kube.ts";
import { LocalEndpoints } from "./local-endpoints.ts";
import { isInVpc, type NodeService, serviceInformer } from "./node-services.ts";
import type { ServiceRulesInput } from "./service-rules.ts";

/** The Services that the node serves, kept up to date. */
export interface ServedServices {
  /** Whether everything has been read. */
  readonly synced: boolean;
  current(): Pick<ServiceRulesInput, "services" | "endpoints" | "everywhere">;
  /** `healthCheckNodePort` → its Service, and how many of the Service's endpoints on this node are ready. */
  healthChecks(): ReadonlyMap<number, { readonly service: string; readonly endpoints: number }>;
  /** Calls `listener` after each change, and when `synced` changes. */
  subscribe(listener: () => void): () => void;
  start(): void;
  stop(): Promise<void>;
}

/** For nodes on which kube-proxy runs: no Services. */
export const NO_SERVICES: ServedServices = {
  synced: true,
  current: () => ({ services: [], endpoints: new Map(), everywhere: new Map() }),
  healthChecks: () => new Map(),
  subscribe: () => () => undefined,
  start: () => undefined,
  stop: async () => undefined,
};

/** Watches all Services, and the EndpointSlices of those with `externalTrafficPolicy: Local`. */
export function watchServices(
  from: {
    readonly kube: Kube;
    readonly node: string;
    /** The VPC that nodes are in; undefined if the node does not know it yet. */
    readonly vpc: () => string | undefined;
    readonly time?: InformerTime;
  },
  onError: (error: unknown, context: string) => void,
): ServedServices {
  const listeners = new Set<() => void>();
  const announce = (): void => {
    for (const listener of listeners) listener();
  };
  const services: Informer<NodeService> = serviceInformer(from.kube, onError, from.time);
  const local = new LocalEndpoints(from, onError, announce);
  const changed = (): void => {
    if (!services.synced) return;
    local.follow([...services.values()].filter((service) => service.local).map(({ key }) => key));
    announce();
  };
  services.subscribe(changed);
  return {
    get synced() {
      return services.synced && local.synced;
    },
    current: () => ({ services: [...services.values()], endpoints: local.byService(), everywhere: local.everywhere() }),
    healthChecks: () =>
      new Map(
        [...services.values()]
          .filter(({ healthCheckNodePort }) => healthCheckNodePort > 0)
          .map((service) => [
            service.healthCheckNodePort,
            { service: service.key, endpoints: isInVpc(service, from.vpc()) ? local.readyCount(service.key) : 0 },
          ]),
      ),
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    start() {
      services.start();
      services.whenSynced().then(changed, () => undefined);
    },
    async stop() {
      await Promise.all([services.stop(), local.stop()]);
    },
  };
}
