// SPDX-License-Identifier: Apache-2.0

import type { Kube } from "./kube.ts";
import type { ObjectRef } from "./object.ts";
import type { ResourceType } from "./resources.ts";

/**
 * Whether the object with this UID is not there any more: gone, or another one has its name. For who got a `conflict` (or `invalid`, for a patch)
 * for a write that names a UID: the API server's Status is the same (`reason: Conflict`, no `causes`) for a UID that does not match and for a
 * version that has been overtaken, and its message has the object's name in it. So the object is looked at. By a list of one name, for which the rights to
 * follow the type are enough.
 *
 * Rejects with a `KubeError` where it cannot be looked at.
 */
export async function isReplaced(kube: Kube, type: ResourceType, ref: ObjectRef, uid: string): Promise<boolean> {
  const where = ref.namespace === undefined ? {} : { namespace: ref.namespace };
  const { items } = await kube.list(type, { ...where, fieldSelector: `metadata.name=${ref.name}`, limit: 1 });
  return items[0]?.metadata.uid !== uid;
}
