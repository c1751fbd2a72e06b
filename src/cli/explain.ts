// SPDX-License-Identifier: Apache-2.0

import type { Kube } from "../kube/kube.ts";
import { EndpointError } from "../reachability/endpoint.ts";
import { type Explanation, explain } from "../reachability/explain.ts";
import { formatExplanation, formatServiceExplanation } from "../reachability/explain-text.ts";
import { parsePort } from "../reachability/port.ts";
import { explainService, type ServiceExplanation } from "../reachability/service.ts";
import { buildClusterModel, readObjects } from "./cluster-model.ts";
import { findSources, findTarget, parseEndpoint } from "./endpoint-arguments.ts";

/** The result of a command: data for programs, text for users, and whether there was no problem. */
export interface ExplainReport {
  /** Undefined: the answer has nothing to print. */
  readonly data: unknown;
  readonly text: string;
  readonly ok: boolean;
  /** What the answer does not include, one text each. */
  readonly warnings?: readonly string[];
}

/** Answers `policy explain FROM TO PORT`. Rejects with an `EndpointError` or a `KubeError`. */
export async function explainCommand(
  kube: Kube,
  namespace: string,
  [from, to, portText]: readonly [string, string, string],
): Promise<ExplainReport> {
  const port = parsePort(portText);
  if (typeof port === "string") throw new EndpointError(port);
  const [fromEnd, toEnd] = [parseEndpoint(from, namespace), parseEndpoint(to, namespace)];
  const { network, book, warnings } = buildClusterModel(await readObjects(kube));
  const [sources, target] = await Promise.all([
    findSources(kube, network, fromEnd),
    findTarget(kube, network, toEnd, port),
  ]);
  const answers: (Explanation | ServiceExplanation)[] = [];
  const texts: string[] = [];
  for (const source of sources) {
    if ("service" in target) {
      const answer = explainService(network, book, source, target.service);
      answers.push(answer);
      texts.push(formatServiceExplanation(answer));
    } else {
      const answer = explain(network, book, { from: source, to: target.endpoint, port });
      answers.push(answer);
      texts.push(formatExplanation(answer));
    }
  }
  const ok = answers.every(({ verdict }) => verdict === "allowed");
  return { data: answers.length === 1 ? answers[0] : answers, text: texts.join("\n"), ok, warnings };
}
