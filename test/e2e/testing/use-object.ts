// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { until } from "../../../hack/lab/wait.ts";
import type { ResourceType } from "../../../src/kube/resources.ts";
import type { Thing } from "./objects.ts";
import type { World } from "./world.ts";

/** Creates an object without a namespace, which is deleted at the end of the test; remains of an interrupted run are deleted first. */
export async function useObject(
  t: Test,
  { kube }: World,
  type: ResourceType,
  name: string,
  spec: object,
): Promise<void> {
  await kube.delete(type, { name }).catch(() => undefined);
  await until(`${type.kind} ${name} can be created`, 20_000, () =>
    kube.create<Thing>(type, { metadata: { name }, spec } as never).then(
      () => true,
      () => false,
    ),
  );
  t.teardown(() => kube.delete(type, { name }).catch(() => undefined));
}
