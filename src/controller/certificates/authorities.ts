// SPDX-License-Identifier: Apache-2.0

import { MADE_BY_CONTROLLER } from "../../api/certificates.ts";
import { KubeError, unlessNotFound } from "../../kube/errors.ts";
import type { Kube } from "../../kube/kube.ts";
import type { ObjectRef } from "../../kube/object.ts";
import { SECRETS } from "../../kube/resources.ts";
import type { Secret } from "../../kube/types.ts";
import { type CertifiedKey, makeAuthority } from "../../pki/authority.ts";
import { certificatesIn, isIssuedBy, isKeyOf, readCertificate } from "../../pki/certificate.ts";
import { PkiError } from "../../pki/error.ts";

/** Validity of an authority of ours, in days: ten years. */
const AUTHORITY_DAYS = 3653;

/** The key and certificate of an authority, and the certificates to trust. */
export interface Authority extends CertifiedKey {
  /** Its own certificate, and those that its Secret has in `ca.crt`: PEM. */
  readonly trusted: readonly string[];
}

/**
 * Throws PkiError `malformed` if authorities of the nodes and of the databases have a common root: a server accepts every client certificate that leads to a
 * trusted authority, so each node's key would give access to the northbound database.
 */
export function requireDisjoint(central: readonly string[], nodes: readonly string[]): void {
  for (const of of nodes)
    for (const by of central)
      if (hasSameKey(of, by) || isIssuedBy(of, by))
        throw new PkiError(
          "malformed",
          `the databases and the nodes must have no authority in common: the northbound database would accept nodes, because ${readCertificate(by).subject} of the databases vouches for ${readCertificate(of).subject} of the nodes`,
        );
}

function hasSameKey(one: string, other: string): boolean {
  const [{ publicKey }, second] = [readCertificate(one), readCertificate(other)];
  return publicKey.equals(second.publicKey);
}

/**
 * The authority in a Secret of type `kubernetes.io/tls`, created if missing: it may be ours, an administrator's or cert-manager's. An existing one is
 * never overwritten. Rejects with KubeError, or with PkiError `malformed` if the Secret has no usable authority.
 */
export async function ensureAuthority(kube: Kube, ref: ObjectRef, folder: string, now: number): Promise<Authority> {
  const found = await readSecret(kube, ref);
  if (found !== undefined) return authorityIn(found, ref, now);
  const { privateKey, certificate } = await makeAuthority(folder, { commonName: ref.name, now, days: AUTHORITY_DAYS });
  const data = { "tls.key": encode(privateKey), "tls.crt": encode(certificate) };
  try {
    const secret = { metadata: { ...ref, labels: MADE_BY_CONTROLLER }, type: "kubernetes.io/tls", data };
    return authorityIn(await kube.create<Secret>(SECRETS, secret), ref, now);
  } catch (error) {
    // Another replica was faster: its Secret is used.
    if (!(error instanceof KubeError && error.code === "exists")) throw error;
    return authorityIn(await kube.get<Secret>(SECRETS, ref), ref, now);
  }
}

/** A Secret, or undefined if there is none. Rejects KubeError. */
export function readSecret(kube: Kube, ref: ObjectRef): Promise<Secret | undefined> {
  return kube.get<Secret>(SECRETS, ref).catch(unlessNotFound);
}

/** A value of a Secret as text; "" if there is none. */
export function decode({ data }: Secret, key: string): string {
  return Buffer.from(data?.[key] ?? "", "base64").toString("utf8");
}

/** A text as a value of a Secret. */
export function encode(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}

/** The content of a Secret of type `kubernetes.io/tls`. */
export interface TlsSecret extends CertifiedKey {
  /** The further certificates of `tls.crt`, which lead to a root: Open vSwitch does not send them, so verifiers need them. */
  readonly chain: readonly string[];
  /** The certificates in `ca.crt`. */
  readonly ca: readonly string[];
}

/** Reads such a Secret. Throws PkiError `malformed`: without a certificate, with a malformed one, one that has ended or is not yet valid, or with another key than the certificate's. */
export function readTlsSecret(secret: Secret, { namespace, name }: ObjectRef, now: number): TlsSecret {
  const malformed = (problem: string, cause?: unknown): PkiError =>
    new PkiError("malformed", `Secret ${namespace}/${name} ${problem}`, { cause });
  const [certificate, ...chain] = certificatesIn(decode(secret, "tls.crt"));
  const ca = certificatesIn(decode(secret, "ca.crt"));
  if (certificate === undefined) throw malformed("has no certificate in tls.crt");
  try {
    for (const one of [certificate, ...chain, ...ca]) readCertificate(one);
  } catch (cause) {
    throw malformed("has a malformed certificate in tls.crt or ca.crt", cause);
  }
  const privateKey = decode(secret, "tls.key");
  const read = readCertificate(certificate);
  if (!isKeyOf(privateKey, read))
    throw malformed("has no private key in tls.key that belongs to the certificate in tls.crt");
  if (Date.parse(read.validTo) <= now)
    throw malformed(`has a certificate in tls.crt that has ended, on ${read.validTo}`);
  if (Date.parse(read.validFrom) > now)
    throw malformed(`has a certificate in tls.crt that is valid from ${read.validFrom} only`);
  return { certificate, privateKey, chain, ca };
}

function authorityIn(secret: Secret, ref: ObjectRef, now: number): Authority {
  const { certificate, privateKey, chain, ca } = readTlsSecret(secret, ref, now);
  if (!readCertificate(certificate).ca)
    throw new PkiError(
      "malformed",
      `Secret ${ref.namespace}/${ref.name} has a certificate in tls.crt that is not of an authority (CA:TRUE)`,
    );
  return { certificate, privateKey, trusted: [...new Set([certificate, ...chain, ...ca])] };
}
