// SPDX-License-Identifier: Apache-2.0

import { NODES, PODS } from "../kube/resources.ts";
import { NodeCertificate } from "./certificates/node-certificate.ts";
import { Lanes } from "./cni/lanes.ts";
import { Publication } from "./cni/publication.ts";
import type { DaemonContext } from "./context.ts";
import { FlowCollector } from "./flows/flow-collector.ts";
import { FlowServer } from "./flows/flow-server.ts";
import { Gateway } from "./node-gateway/gateway.ts";
import {
  annotateChassis,
  annotateUnreachable,
  annotateUplinks,
  setNetworkAvailable,
} from "./node-gateway/node-writer.ts";
import { TunnelReport } from "./node-gateway/tunnel-report.ts";
import { OvsPorts } from "./ovs/ovs-ports.ts";
import { OvsView } from "./ovs/ovs-view.ts";
import { PodEncaps } from "./pods/pod-encaps.ts";
import { PodMirror } from "./pods/pod-mirror.ts";
import { PodUpkeep } from "./pods/pod-upkeep.ts";
import { readPod } from "./pods/pods.ts";
import { PodQosRows } from "./pods/running-pod-qos.ts";
import { Probes } from "./probes/probes.ts";
import { RepairReport } from "./repair-report.ts";
import { ServiceHealth } from "./services/health-check-node-port.ts";
import { StaleFlowsFlush } from "./services/stale-udp-flush.ts";
import { Uplinks } from "./uplinks/uplinks.ts";
import type { Watches } from "./watches.ts";

/** The components of the daemon that act on the node. */
export interface Components {
  readonly view: OvsView;
  readonly ports: OvsPorts;
  readonly lanes: Lanes;
  readonly gateway: Gateway;
  readonly encaps: PodEncaps;
  readonly tunnels: TunnelReport;
  readonly qosRows: PodQosRows;
  readonly staleFlows: StaleFlowsFlush;
  readonly mirror: PodMirror;
  readonly upkeep: PodUpkeep;
  readonly probes: Probes;
  readonly flows: FlowCollector;
  /** Absent if no controller asks for flows. */
  readonly flowServer?: FlowServer;
  readonly publication: Publication;
  readonly uplinks: Uplinks;
  /** Absent if the databases are used without TLS. */
  readonly certificate?: NodeCertificate;
  /** Absent if kube-proxy serves the node. */
  readonly serviceHealth?: ServiceHealth;
  /** Why pods cannot get a network on this node; undefined if they can. */
  notReady(): string | undefined;
}

/** Creates the components. Nothing is done before they are started. */
export function makeComponents(context: DaemonContext, watches: Watches): Components {
  const { options, connections, clock, hostIo, metrics, log } = context;
  const { pods, nodes, subnets, services } = watches;
  const { kube, kernel, nft, links } = connections;
  const view = new OvsView(connections.ovsdb);
  const [ports, lanes] = [new OvsPorts(view), new Lanes()];
  const report = new RepairReport({
    ...{ metrics, log, now: () => clock.now() },
    event: (reason, message) => recordOnNode(options.nodeName, watches, reason, message),
  });
  const gateway = new Gateway({
    ...{ view, nodes, subnets, services, report, clock, log, kernel, nft },
    ...{ node: options.nodeName, joinSubnet: options.nodeSwitch, nodePorts: options.nodePorts, mtu: options.mtu },
    nonPrimary: options.nonPrimary,
    ovsSettings: () => hostIo.ovsSettings(),
    forgetUdpFlows: (ip, port) => hostIo.forgetUdpFlows(ip, port),
    annotateChassis: (chassis) => annotateChassis(kube, options.nodeName, chassis),
    setNetworkAvailable: () => setNetworkAvailable(kube, options.nodeName, clock.wall()),
    onState: () => {
      publication.trigger();
      probes.trigger();
    },
    onPlanes: () => encaps.trigger(),
    warnNode: (reason, message) => recordOnNode(options.nodeName, watches, reason, message),
  });
  const probes = new Probes({
    ...{ view, pods, subnets, report, clock, log, kernel, nft },
    mtu: () => gateway.mtu,
    event: ({ name, namespace, uids: [uid = ""] }, reason, message) =>
      watches.events.record({ type: PODS, name, namespace, uid }, "Warning", reason, message),
  });
  const encaps = new PodEncaps({
    ...{ view, pods, subnets, clock, log },
    planesKnown: () => gateway.planesKnown,
    plane: (network) => gateway.plane(network),
    isPlane: (ip) => gateway.isPlane(ip),
    warnNode: (reason, message) => recordOnNode(options.nodeName, watches, reason, message),
  });
  const tunnels = new TunnelReport({
    ...{ view, nodes, node: options.nodeName, clock, log },
    annotate: (chassis) => annotateUnreachable(kube, options.nodeName, chassis),
  });
  const qosRows = new PodQosRows({
    ...{ view, pods, links, clock, log },
    warnPod: ({ name, namespace, uids: [uid = ""] }, reason, message) =>
      watches.events.record({ type: PODS, name, namespace, uid }, "Warning", reason, message),
  });
  const staleFlows = new StaleFlowsFlush({
    ...{ view, clock, log },
    record: watches.staleFlows,
    control: hostIo.control,
  });
  const mirror = new PodMirror({
    ...{ view, kernel, nft, pods, report, clock, log },
    ...{ all: options.enableMirror, onDemand: options.nonPrimary },
  });
  const flows = new FlowCollector({ view, clock, log, enabled: options.collectFlows });
  const flowServer =
    options.flowsPort !== 0 && options.certificateDir !== ""
      ? new FlowServer({ port: options.flowsPort, folder: options.certificateDir, flows, clock, log })
      : undefined;
  const upkeep = new PodUpkeep({
    ...{ view, ports, links, lanes, pods, metrics, report, clock, log },
    readPod: (namespace, name) => readPod(kube, namespace, name),
    watchLostLinks: (onLost) => connections.watchLostLinks(onLost),
  });
  const notReady = (): string | undefined => {
    if (!view.synced) return "not connected to Open vSwitch's database on this node";
    if (!pods.synced) return "this node's pods have not been listed from the API server yet";
    return gateway.notReady;
  };
  const serviceHealth = options.kubeProxyReplacement
    ? new ServiceHealth({
        ...{ services, clock, log, serve: hostIo.serveHealth },
        healthy: () => gateway.notReady === undefined,
        warnNode: (reason, message) => recordOnNode(options.nodeName, watches, reason, message),
        eligible: () => nodes.get(options.nodeName)?.isLeaving !== true,
      })
    : undefined;
  const certificate = options.certificateDir
    ? new NodeCertificate({
        ...{ kube, clock, log, node: options.nodeName, namespace: options.namespace, folder: options.certificateDir },
        systemId: () => view.systemId(),
        onFiles: () => flowServer?.trigger(),
        annotate: (chassis) => annotateChassis(kube, options.nodeName, chassis),
      })
    : undefined;
  const uplinks = new Uplinks({
    ...{ view, kernel, nft, nodes, report, clock, log },
    ...{ node: options.nodeName, bootId: hostIo.bootId },
    annotate: (text) => annotateUplinks(kube, options.nodeName, text),
  });
  const publication = new Publication({ options, hostIo, metrics, report, clock, log, notReady });
  return {
    view,
    ports,
    lanes,
    gateway,
    encaps,
    tunnels,
    qosRows,
    staleFlows,
    mirror,
    flows,
    upkeep,
    probes,
    publication,
    uplinks,
    notReady,
    ...(serviceHealth && { serviceHealth }),
    ...(certificate && { certificate }),
    ...(flowServer && { flowServer }),
  };
}

/** Records a Warning about this node. Its uid is left out until the node has been read. */
function recordOnNode(name: string, { nodes, events }: Watches, reason: string, message: string): void {
  const uid = nodes.get(name)?.uid;
  events.record({ type: NODES, name, ...(uid !== undefined && { uid }) }, "Warning", reason, message);
}
