// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import type { KubeObject, NewObject } from "../../../src/kube/object.ts";
import { ENDPOINT_SLICES, SERVICES } from "../../../src/kube/resources.ts";
import { when } from "../../e2e/testing/when.ts";
import { plugin } from "../plugin.ts";
import { namespaceOfRun, podsOf } from "../run/stage.ts";
import type { Context } from "./context.ts";
import { follow } from "./follow.ts";
import { HTTP_PORT, SERVED } from "./pod-manifest.ts";

const NAME = "server";
const PORT = 80;
const SPEC = z.object({ clusterIPs: z.array(z.string()).min(1) });
const SLICE = z.object({
  endpoints: z
    .array(z.unknown())
    .nullish()
    .transform((all) => all ?? []),
});

/** A Service with the pods of the context `pods` behind it, in all families of the cluster. It is deleted with the namespace. */
export const SERVICE_CONTEXT = plugin({
  name: "service",
  summary: "a Service (ClusterIP, port 80) with the pods of the context pods behind it",
  options: z.strictObject({}),
  bind: (): Context => ({
    order: 30,
    needs: ["kubernetes"],
    requires: ["namespace", "pods"],
    async setUp(stage) {
      const { kube } = stage.target;
      const namespace = namespaceOfRun(stage);
      const service: NewObject<KubeObject> = {
        metadata: { namespace, name: NAME },
        spec: { selector: SERVED, ipFamilyPolicy: "PreferDualStack", ports: [{ port: PORT, targetPort: HTTP_PORT }] },
      };
      const { spec } = await kube.create(SERVICES, service);
      stage.made.service = { name: NAME, addresses: SPEC.parse(spec).clusterIPs, port: PORT };
      const wanted = podsOf(stage).length;
      await using slices = follow(kube, ENDPOINT_SLICES, {
        namespace,
        labelSelector: `kubernetes.io/service-name=${NAME}`,
      });
      await when(
        (listener) => slices.subscribe(listener),
        () => slices.values().some((slice) => SLICE.parse(slice).endpoints.length >= wanted),
        `the Service has ${wanted} endpoints`,
        60_000,
      );
    },
  }),
});
