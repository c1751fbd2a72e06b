// SPDX-License-Identifier: Apache-2.0

import { writeFile } from "node:fs/promises";
import type { Kube } from "../kube/kube.ts";
import { EndpointError } from "../reachability/endpoint.ts";
import type { ProbePoint } from "../reachability/match-uses.ts";
import { matrix } from "../reachability/matrix.ts";
import { matrixHtml } from "../reachability/matrix-html.ts";
import { formatMatrix } from "../reachability/matrix-text.ts";
import { parsePort, portQuestionText } from "../reachability/port.ts";
import { buildClusterModel, type ClusterModel, readObjects } from "./cluster-model.ts";
import type { ExplainReport } from "./explain.ts";

/** Options of `policy matrix`. */
export interface MatrixOptions {
  readonly namespace: string;
  /** Another namespace for the columns; `*` for all. */
  readonly to?: string;
  readonly port?: string;
  /** Where to write a page to; `-` to print it instead of the table. */
  readonly html?: string;
  readonly output?: "table" | "json";
}

/** Answers `policy matrix`. Rejects with an `EndpointError`, a `KubeError`, or the error of writing the page. */
export async function matrixCommand(kube: Kube, options: MatrixOptions): Promise<ExplainReport> {
  const { namespace, to = namespace, port: portText, html, output } = options;
  const asked = portText === undefined ? undefined : parsePort(portText);
  if (typeof asked === "string") throw new EndpointError(asked);
  if (asked !== undefined && "name" in asked) {
    throw new EndpointError(
      `--port ${portText}: a name means another number in each pod; give a number such as tcp/80`,
    );
  }
  const model = buildClusterModel(await readObjects(kube));
  const point = (asked: { protocol: ProbePoint["protocol"]; port?: number }): ProbePoint => {
    const { protocol, port = 0 } = asked;
    return { protocol, first: port, last: port };
  };
  const only = asked === undefined ? {} : { only: point(asked), portText: portQuestionText(asked) };
  const data = matrix(model.network, model.book, {
    from: podsOf(model, namespace),
    to: podsOf(model, to),
    ...only,
    // The table has no space for them.
    reasons: html !== undefined || output === "json",
  });
  const text = formatMatrix(data);
  const { warnings } = model;
  if (html === undefined) return { data, text, ok: true, warnings };
  const title = `Reachability of pods: ${namespace}${to === namespace ? "" : ` → ${to === "*" ? "all namespaces" : to}`}`;
  const page = matrixHtml(data, title);
  if (html === "-") return { data, text: page, ok: true, warnings };
  await writeFile(html, page);
  return { data, text: `${text}Written to ${html}.\n`, ok: true, warnings };
}

function podsOf({ facts }: ClusterModel, namespace: string): ReturnType<typeof facts.all<"pods">> {
  if (namespace === "*") return facts.all("pods").filter(({ alive }) => alive);
  if (facts.get("namespaces", namespace) === undefined) {
    const names = facts.all("namespaces").map(({ name }) => name);
    throw new EndpointError(
      `namespace ${namespace} does not exist; existing namespaces: ${names.slice(0, 12).join(", ")}`,
    );
  }
  return facts.by("pods", "namespace", namespace).filter(({ alive }) => alive);
}
