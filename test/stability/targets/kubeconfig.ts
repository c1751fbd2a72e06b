// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { connectKube } from "../../../src/kube/connect.ts";
import { NODES } from "../../../src/kube/resources.ts";
import { StabilityError, textOf } from "../errors.ts";
import { plugin } from "../plugin.ts";
import type { Need, Target, TargetChoice } from "./target.ts";

const options = z.strictObject({
  /** Path of a kubeconfig; otherwise `$KUBECONFIG`, or ~/.kube/config. */
  path: z.string().min(1).optional(),
  /** agnhost, as the nodes can pull it. */
  image: z.string().min(1).default("registry.k8s.io/e2e-test-images/agnhost:2.53"),
});

/** Why each need that a cluster known by its kubeconfig alone cannot meet is not met. */
export function lacks(need: Need): string | undefined {
  if (need === "kubernetes") return undefined;
  if (need === "pod-traffic") return "requests from pods need a program in their network, which is not supported yet";
  if (need === "inventory")
    return "rows and interfaces are read through the nodes' sockets, which is not supported yet";
  return "faults need privileged pods on the nodes, which are not supported yet";
}

/** Any cluster, by its kubeconfig: its API only. What needs its nodes is refused before the run. */
export const KUBECONFIG = plugin({
  name: "kubeconfig",
  summary: "any cluster by kubeconfig: path, image (agnhost); its API only, so far",
  options,
  bind: ({ path, image }): TargetChoice => ({
    async open(): Promise<Target> {
      try {
        const access = { userAgent: "weft-stability", ...(path === undefined ? {} : { kubeconfig: path }) };
        const connection = await connectKube(access);
        const { kube, server } = connection;
        const nodes = (await kube.list(NODES)).items.map(({ metadata }) => metadata.name);
        const not = (need: Need) => (): Promise<never> =>
          Promise.reject(new StabilityError("unsupported", `target kubeconfig: ${lacks(need)}`));
        return {
          name: `kubeconfig ${server}`,
          nodes,
          image,
          kube,
          lacks,
          // An API server that does not answer may be a fault of ours.
          alive: () => Promise.resolve(),
          prober: not("pod-traffic"),
          processes: not("node-command"),
          signal: not("node-command"),
          back: not("node-command"),
          command: not("node-command"),
          beside: not("node-command"),
          crash: not("node-crash"),
          boot: not("node-crash"),
          cut: not("partition"),
          heal: not("partition"),
          inventory: not("inventory"),
          converge: not("inventory"),
          undo: not("node-command"),
          close: async () => connection.close(),
        };
      } catch (error) {
        throw new StabilityError("unsupported", `target kubeconfig cannot be used: ${textOf(error)}`, { cause: error });
      }
    },
  }),
});
