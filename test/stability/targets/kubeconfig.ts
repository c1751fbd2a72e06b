// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { connectKube } from "../../../src/kube/connect.ts";
import { NODES } from "../../../src/kube/resources.ts";
import { StabilityError, textOf } from "../errors.ts";
import { plugin } from "../plugin.ts";
import type { TargetChoice } from "./target.ts";

const options = z.strictObject({
  /** Path of a kubeconfig; otherwise `$KUBECONFIG`, or ~/.kube/config. */
  path: z.string().min(1).optional(),
  /** agnhost, as the nodes can pull it. */
  image: z.string().min(1).default("registry.k8s.io/e2e-test-images/agnhost:2.53"),
  /** kubectl, which runs commands in the privileged pods. */
  kubectl: z.string().min(1).default("kubectl"),
});

/** Any cluster with Weft, by its kubeconfig: its nodes by privileged pods. What these do not support is refused before the run. */
export const KUBECONFIG = plugin({
  name: "kubeconfig",
  summary: "any cluster by kubeconfig, its nodes by privileged pods: path, image (agnhost), kubectl",
  options,
  bind: ({ path, image, kubectl }): TargetChoice => ({
    async open() {
      try {
        const access = { userAgent: "weft-stability", ...(path === undefined ? {} : { kubeconfig: path }) };
        const connection = await connectKube(access);
        const nodes = (await connection.kube.list(NODES)).items.map(({ metadata }) => metadata.name);
        // Loaded on first use.
        const { ClusterTarget } = await import("./cluster/cluster-target.ts");
        const program = [kubectl, ...(path === undefined ? [] : [`--kubeconfig=${path}`])] as const;
        return new ClusterTarget({ connection, nodes, image, kubectl: program });
      } catch (error) {
        throw new StabilityError("unsupported", `target kubeconfig cannot be used: ${textOf(error)}`, { cause: error });
      }
    },
  }),
});
