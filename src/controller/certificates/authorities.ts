// SPDX-License-Identifier: Apache-2.0

import { MADE_BY_CONTROLLER } from "../../api/certificates.ts";
import { KubeError } from "../../kube/errors.ts";
import type { Kube } from "../../kube/kube.ts";
import type { ObjectRef } from "../../kube/object.ts";
import { SECRETS } from "../../kube/resources.ts";
import type { Secret } from "../../kube/types.ts";
import { type CertifiedKey, certificatesIn, makeAuthority } from "../../pki/authority.ts";
import { PkiError } from "../../pki/error.ts";

/** An authority of ours is valid for so many days: ten years. */
const AUTHORITY_DAYS = 3653;

/** What signs certificates, and what those who check them are to trust. */
export interface Authority extends CertifiedKey {
  /** Its own certificate, and those that its Secret has in `ca.crt`: PEM, one after the other. */
  readonly trusted: string;
}

/**
 * The authority in a Secret of the form `kubernetes.io/tls`, made there if there is none: so it may be ours, given by an administrator, or kept
 * by cert-manager. One that is there is never overwritten. Rejects KubeError, or PkiError `malformed` where the Secret has no usable one.
 */
export async function ensureAuthority(kube: Kube, ref: ObjectRef, folder: string, now: number): Promise<Authority> {
  const found = await readSecret(kube, ref);
  if (found !== undefined) return authorityIn(found, ref);
  const { privateKey, certificate } = await makeAuthority(folder, { commonName: ref.name, now, days: AUTHORITY_DAYS });
  const data = { "tls.key": encode(privateKey), "tls.crt": encode(certificate) };
  try {
    const secret = { metadata: { ...ref, labels: MADE_BY_CONTROLLER }, type: "kubernetes.io/tls", data };
    return authorityIn(await kube.create<Secret>(SECRETS, secret), ref);
  } catch (error) {
    // Another replica was faster: what counts is what is there.
    if (!(error instanceof KubeError && error.code === "exists")) throw error;
    return authorityIn(await kube.get<Secret>(SECRETS, ref), ref);
  }
}

/** A Secret, or undefined if there is none. Rejects KubeError. */
export async function readSecret(kube: Kube, ref: ObjectRef): Promise<Secret | undefined> {
  try {
    return await kube.get<Secret>(SECRETS, ref);
  } catch (error) {
    if (error instanceof KubeError && error.code === "not-found") return undefined;
    throw error;
  }
}

/** A value of a Secret as text; "" where there is none. */
export function decode({ data }: Secret, key: string): string {
  return Buffer.from(data?.[key] ?? "", "base64").toString("utf8");
}

/** A text as a value of a Secret. */
export function encode(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}

function authorityIn(secret: Secret, { namespace, name }: ObjectRef): Authority {
  const [certificate] = certificatesIn(decode(secret, "tls.crt"));
  const privateKey = decode(secret, "tls.key");
  if (certificate === undefined || !privateKey.includes("PRIVATE KEY"))
    throw new PkiError(
      "malformed",
      `Secret ${namespace}/${name} has no certificate in tls.crt or no private key in tls.key`,
    );
  // Of what tls.crt has, further certificates belong to the chain: Open vSwitch sends none, so those who check need them.
  const all = [...certificatesIn(decode(secret, "tls.crt")), ...certificatesIn(decode(secret, "ca.crt"))];
  return { certificate, privateKey, trusted: [...new Set(all)].join("") };
}
