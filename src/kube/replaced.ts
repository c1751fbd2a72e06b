// SPDX-License-Identifier: Apache-2.0

import type { Kube } from "./kube.ts";
import type { ObjectRef } from "./object.ts";
import type { ResourceType } from "./resources.ts";

/**
 * Whether the object with this UID no longer exists: it was deleted, or another one has its name. For callers that
 * got a `conflict` (or `invalid`, for a patch) for a write with a UID: the API server's Status is the same (`reason:
 * Conflict`, no `causes`) for a UID that does not match and for an outdated version, and its message contains the
 * object's name. So the object is read, by a list of one name, for which the rights to watch the type are sufficient.
 *
 * Rejects with a `KubeError` if it cannot be read.
 */
export async function isReplaced(kube: Kube, type: ResourceType, ref: ObjectRef, uid: string): Promise<boolean> {
  const where = ref.namespace === undefined ? {} : { namespace: ref.namespace };
  const { items } = await kube.list(type, { ...where, fieldSelector: `metadata.name=${ref.name}`, limit: 1 });
  return items[0]?.metadata.uid !== uid;
}
