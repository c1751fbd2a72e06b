// SPDX-License-Identifier: Apache-2.0

import type { KubeObject, NewObject } from "../../../src/kube/object.ts";

/** The ports of agnhost's netexec: it answers HTTP requests, and datagrams `echo TEXT` with TEXT. */
export const HTTP_PORT = 8080;
export const UDP_PORT = 8081;
/** The label by which the context `service` finds the pods of `pods`. */
export const SERVED = { "weft-stability": "served" } as const;

/** A pod with a server (agnhost's netexec), bound to a node; without a grace period for its deletion. */
export function netexecPod(
  image: string,
  place: { readonly namespace: string; readonly name: string; readonly node: string },
  labels: Readonly<Record<string, string>> = {},
): NewObject<KubeObject> {
  return {
    metadata: { namespace: place.namespace, name: place.name, labels },
    spec: {
      nodeName: place.node,
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      tolerations: [{ operator: "Exists" }],
      containers: [
        {
          name: "server",
          image,
          imagePullPolicy: "IfNotPresent",
          // Without a request, kubelet gives a pod 1/512 of a processor's weight: on a busy node it answers seconds late, and its socket drops datagrams, without any fault.
          resources: { requests: { cpu: "100m" } },
          // It prints each request. Nothing reads that while the container runtime hangs, and a server that waits for a full pipe does not answer.
          command: [
            "sh",
            "-c",
            `exec /agnhost netexec --http-port=${HTTP_PORT} --udp-port=${UDP_PORT} >/dev/null 2>&1`,
          ],
        },
      ],
    },
  };
}
