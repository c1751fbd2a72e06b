// SPDX-License-Identifier: Apache-2.0

import { DAEMON_COMPONENT } from "../api/names.ts";
import { type EventRecorder, eventRecorder } from "../kube/event-recorder.ts";
import type { Informer } from "../kube/informer.ts";
import type { DaemonContext } from "./context.ts";
import { nodeInformer, type OwnNode } from "./node-gateway/node-reader.ts";
import { type RoutedSubnet, subnetInformer } from "./node-gateway/subnet-reader.ts";
import { type NodePod, podInformer } from "./pods/pods.ts";
import { NO_SERVICES, type ServedServices, watchServices } from "./services/served-services.ts";
import { staleFlowsInformer } from "./services/stale-udp-flush.ts";

/** The daemon's watches of the API server, and its Event recorder. */
export interface Watches {
  /** Pods of this node that do not use the host network. */
  readonly pods: Informer<NodePod>;
  /** Only this node. */
  readonly nodes: Informer<OwnNode>;
  readonly subnets: Informer<RoutedSubnet>;
  /** The Services that this node serves: none if kube-proxy runs. */
  readonly services: ServedServices;
  /** See {@link import("./services/stale-udp-flush.ts").StaleFlowsFlush}. */
  readonly staleFlows: Informer<string>;
  readonly events: EventRecorder;
}

/** Creates the informers and the recorder. Nothing is sent before the informers are started. */
export function makeWatches({ options, connections, clock, log }: DaemonContext): Watches {
  const { kube } = connections;
  const onError = (error: unknown, context: string): void => log.warn({ err: error }, context);
  const time = { clock };
  const nodes = nodeInformer(kube, options.nodeName, log, onError, time);
  const vpc = (): string | undefined => {
    const contract = nodes.get(options.nodeName)?.contract;
    return typeof contract === "object" ? contract.services?.vpc : undefined;
  };
  return {
    pods: podInformer(kube, options.nodeName, onError, time),
    nodes,
    subnets: subnetInformer(kube, log, onError, time),
    services: options.kubeProxyReplacement
      ? watchServices({ kube, node: options.nodeName, vpc, time }, onError)
      : NO_SERVICES,
    staleFlows: staleFlowsInformer(kube, options.nodeSwitch, onError, time),
    events: eventRecorder(kube, {
      ...{ component: DAEMON_COMPONENT, host: options.nodeName },
      ...time,
      onError: (error) => onError(error, "failed to write an Event"),
    }),
  };
}
