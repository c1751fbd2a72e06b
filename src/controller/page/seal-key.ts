// SPDX-License-Identifier: Apache-2.0

import { randomBytes } from "node:crypto";
import { KubeError, unlessNotFound } from "../../kube/errors.ts";
import type { Kube } from "../../kube/kube.ts";
import { SECRETS } from "../../kube/resources.ts";
import type { Secret } from "../../kube/types.ts";

/** Name of the Secret with the key that seals logins. */
export const SEAL_SECRET = "weft-page";

const FIELD = "key";
const BYTES = 32;

/**
 * The key that all replicas seal logins with: that of the Secret, which the first one makes. To log everybody out, delete the Secret and restart the controllers. Rejects with a `KubeError`, or an
 * error where the Secret has no such key.
 */
export async function sealKey(kube: Pick<Kube, "get" | "create">, namespace: string): Promise<Buffer> {
  const ref = { namespace, name: SEAL_SECRET };
  const found = await kube.get<Secret>(SECRETS, ref).catch(unlessNotFound);
  if (found !== undefined) return keyIn(found);
  const key = randomBytes(BYTES);
  try {
    await kube.create<Secret>(SECRETS, {
      metadata: ref,
      type: "Opaque",
      data: { [FIELD]: key.toString("base64") },
    });
    return key;
  } catch (error) {
    // Another replica was first.
    if (error instanceof KubeError && error.code === "exists") return keyIn(await kube.get<Secret>(SECRETS, ref));
    throw error;
  }
}

function keyIn({ data, metadata }: Secret): Buffer {
  const key = Buffer.from(data?.[FIELD] ?? "", "base64");
  if (key.length !== BYTES)
    throw new Error(
      `Secret ${metadata.namespace}/${SEAL_SECRET} has no ${FIELD} of ${BYTES} bytes: delete it, and the controller makes another one`,
    );
  return key;
}
