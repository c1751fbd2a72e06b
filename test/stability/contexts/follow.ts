// SPDX-License-Identifier: Apache-2.0

import type { Kube, ListSelection } from "../../../src/kube/kube.ts";
import type { ResourceType } from "../../../src/kube/resources.ts";
import { Objects } from "../../e2e/testing/objects.ts";

/** Objects of one type, followed by a watch that ends with the block that uses it (`await using`). */
export function follow(kube: Kube, type: ResourceType, selection: ListSelection): Objects & AsyncDisposable {
  const objects = new Objects(kube, type, selection);
  return Object.assign(objects, { [Symbol.asyncDispose]: () => objects.stop() });
}
