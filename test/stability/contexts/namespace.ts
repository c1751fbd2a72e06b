// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { unlessNotFound } from "../../../src/kube/errors.ts";
import { NAMESPACES, SERVICE_ACCOUNTS } from "../../../src/kube/resources.ts";
import { StabilityError } from "../errors.ts";
import { plugin } from "../plugin.ts";
import type { Context } from "./context.ts";
import { follow } from "./follow.ts";

const options = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, "is not a valid name of a namespace")
    .default("weft-stability"),
});

/** A namespace for the run; it is deleted with everything in it. */
export const NAMESPACE_CONTEXT = plugin({
  name: "namespace",
  summary: "a namespace for the run: name",
  options,
  bind: ({ name }): Context => ({
    order: 10,
    needs: ["kubernetes"],
    requires: [],
    async setUp(stage) {
      const { kube } = stage.target;
      // Its undo step deletes the namespace with all its objects.
      if ((await kube.get(NAMESPACES, { name }).catch(unlessNotFound)) !== undefined)
        throw new StabilityError(
          "context",
          `namespace ${name} exists already; delete it, or give the run another name`,
        );
      stage.record({ by: "kubernetes", kind: "delete", resource: NAMESPACES, name });
      await kube.create(NAMESPACES, { metadata: { name } });
      stage.made.namespace = name;
      // Without its service account no pod can be created in it.
      await using accounts = follow(kube, SERVICE_ACCOUNTS, { namespace: name });
      await accounts.until(`${name}/default`, "exists", (account) => account !== undefined, 60_000);
    },
  }),
});
