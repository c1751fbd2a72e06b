// SPDX-License-Identifier: Apache-2.0

import type { Ip } from "../../net/address.ts";
import type { Dual } from "../../net/dual.ts";
import type { Endpoint } from "../../reachability/endpoint.ts";
import { EndpointError } from "../../reachability/endpoint.ts";
import type { Network } from "../../reachability/network.ts";
import type { PortQuestion } from "../../reachability/port.ts";
import type { ServiceTarget } from "../../reachability/service.ts";
import type { Trace } from "../../reachability/traces.ts";
import { type PacketReport, type PacketTools, sendPackets } from "./packets.ts";

/** A trace with what became of real packets. */
export interface TraceWithPackets extends Trace {
  readonly packets: readonly PacketReport[];
  /** How the packets differ from the trace. */
  readonly packetsDisagree?: string;
}

/**
 * Sends a few packets for each family, from a pod to a destination, and adds to the first trace what became of them. Rejects with an `EndpointError` where the sender is no pod,
 * and as `sendPackets` does.
 */
export async function withPackets(
  network: Network,
  {
    source,
    target,
    port,
  }: { readonly source: Endpoint; readonly target: Endpoint | ServiceTarget; readonly port: PortQuestion },
  traces: readonly Trace[],
  tools: PacketTools,
): Promise<readonly Trace[]> {
  const [first, ...rest] = traces;
  if (first === undefined) return traces;
  const { pod, node, place } = source;
  if (pod === undefined || node === undefined || place === undefined)
    throw new EndpointError(`packets are sent from pods on the pod network only; ${source.label} is none`);
  const service = "backends" in target;
  const addresses: Dual<Ip> = service ? target.virtual : target.destination;
  const receivers = service
    ? target.backends.flatMap(({ address }) => network.withAddress(address.text).flatMap((each) => each.pod ?? []))
    : (target.pod?.key ?? []);
  const named = [...new Set([receivers].flat())]
    .filter((key) => key !== pod.key)
    .map((key) => ({ namespace: key.split("/")[0] ?? "", name: key.split("/")[1] ?? "" }));
  const from = { namespace: pod.namespace, name: pod.name, node, port: place.name };
  const packets: PacketReport[] = [];
  for (const family of ["v4", "v6"] as const) {
    const destination = addresses[family];
    if (destination === undefined || source.source[family] === undefined) continue;
    const asked = { from, destination, port: service ? target.port : port, receivers: named };
    packets.push(await sendPackets(tools, asked));
  }
  const differing = packets.filter(
    (report) => named.length > 0 && arrives(traces, report.family) !== hasArrived(report),
  );
  const disagree =
    differing.length === 0
      ? {}
      : {
          packetsDisagree: `${differing.map(({ family }) => family).join(" and ")} packets do otherwise than the trace says`,
        };
  const traced: TraceWithPackets = { ...first, packets, ...disagree };
  return [traced, ...rest];
}

/** Whether some path of a family is not dropped. */
function arrives(traces: readonly Trace[], family: PacketReport["family"]): boolean {
  return traces.some(({ paths }) => paths.some((path) => path.family === family && path.verdict !== "dropped"));
}

function hasArrived({ arrived }: PacketReport): boolean {
  return Object.values(arrived).some((count) => count > 0);
}
