// SPDX-License-Identifier: Apache-2.0

import { parseIp } from "../net/address.ts";
import { addressEndpoint, type Endpoint } from "./endpoint.ts";
import type { Explanation } from "./explain.ts";
import { type Itinerary, itinerary, type PathOutcome } from "./itinerary.ts";
import type { Network } from "./network.ts";
import { probing } from "./probe.ts";
import type { explainService, ServiceTarget } from "./service.ts";

/** The path to one destination: the given one, or a backend of a Service. */
export interface Trace {
  readonly from: string;
  readonly to: string;
  readonly port: string;
  /** Of several paths, the worst. */
  readonly verdict: PathOutcome;
  /** The translation of a Service, if one is on the path. */
  readonly service?: string;
  readonly paths: readonly Itinerary[];
  /** Why there is no path to follow. */
  readonly problem?: string;
}

/** The traces to each backend of a Service, and before them the one to its own address where that is what denies it. */
export function traceService(
  network: Network,
  from: Endpoint,
  { label, virtual, port }: ServiceTarget,
  answer: ReturnType<typeof explainService>,
): readonly Trace[] {
  const { translatedBy, problem, backends, verdict } = answer;
  const asked = { from: from.label, to: label, port: answer.port };
  if (problem !== undefined) return [{ ...asked, verdict: "dropped", paths: [], problem }];
  const virtuals = Object.values(virtual)
    .flatMap((ip) => ip?.text ?? [])
    .join(", ");
  const who = { OVN: "OVN, in the pod's switch,", node: "the pod's node", none: "no component" }[translatedBy];
  const first = answer.virtual;
  const blocked =
    first?.verdict === "denied" && verdict === "denied"
      ? [traceExplained(network, first, from, { ...from, label, kind: "address", place: undefined } as Endpoint)]
      : [];
  return [
    ...blocked,
    ...backends.map((one): Trace => {
      const address = parseIp(one.paths[0]?.destination ?? "");
      const endpoint = address === undefined ? from : addressEndpoint(network, address);
      const service = `${label} ${virtuals}${"port" in port ? ` port ${port.port}` : ""}: ${who} chooses ${one.to}`;
      return { ...traceExplained(network, one, from, endpoint), service };
    }),
  ];
}

/** The trace of an explained connection between two ends. */
export function traceExplained(network: Network, answer: Explanation, from: Endpoint, to: Endpoint): Trace {
  const { verdict, problem, paths, port } = answer;
  const sender = probing(network, from, to);
  const ends = { from: "problem" in sender ? from : sender, to };
  const ways = paths.map((path) => itinerary(network, path, ends));
  const worst = OUTCOMES.find((outcome) => ways.some((way) => way.verdict === outcome)) ?? "dropped";
  return {
    from: answer.from,
    to: answer.to,
    port,
    verdict: verdict === "allowed" ? worst : "dropped",
    paths: ways,
    ...(problem !== undefined && { problem }),
  };
}

/** The worst first. */
const OUTCOMES: readonly PathOutcome[] = ["dropped", "uncertain", "leaves", "delivered"];
