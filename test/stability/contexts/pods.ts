// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { PODS } from "../../../src/kube/resources.ts";
import { isReady } from "../../e2e/testing/pods.ts";
import { plugin } from "../plugin.ts";
import { namespaceOfRun } from "../run/stage.ts";
import type { Context } from "./context.ts";
import { follow } from "./follow.ts";
import { netexecPod, SERVED } from "./pod-manifest.ts";

const options = z.strictObject({
  each_node: z.int().min(1).max(50).default(1),
  /** Seconds for all to become Ready. */
  timeout: z.number().positive().max(600).default(120),
});

/** Pods with a server on each node. They are deleted with the namespace. */
export const SERVER_PODS = plugin({
  name: "pods",
  summary: "pods with a server (HTTP, UDP) on each node: each_node",
  options,
  bind: ({ each_node: count, timeout }): Context => ({
    order: 20,
    needs: ["kubernetes"],
    requires: ["namespace"],
    async setUp(stage) {
      const { kube, nodes, image } = stage.target;
      const namespace = namespaceOfRun(stage);
      const places = nodes.flatMap((node) =>
        Array.from({ length: count }, (_, n) => ({ namespace, node, name: `server-${node}-${n}` })),
      );
      await Promise.all(places.map((place) => kube.create(PODS, netexecPod(image, place, SERVED))));
      await using pods = follow(kube, PODS, { namespace });
      const ready = await Promise.all(
        places.map(({ name }) =>
          pods.until(`${namespace}/${name}`, "is Ready", (pod) => (isReady(pod) ? pod : false), timeout * 1000),
        ),
      );
      stage.made.pods = ready.map((pod, n) => ({
        namespace,
        name: pod.metadata.name,
        uid: pod.metadata.uid,
        node: places[n]?.node ?? "",
        addresses: addressesOf(pod.status),
      }));
    },
  }),
});

const STATUS = z.object({ podIPs: z.array(z.object({ ip: z.string() })).default([]) });

/** The addresses of a pod's status, IPv4 first. */
function addressesOf(status: unknown): readonly string[] {
  const ips = STATUS.parse(status).podIPs.map(({ ip }) => ip);
  return ips.sort((a, b) => Number(a.includes(":")) - Number(b.includes(":")));
}
