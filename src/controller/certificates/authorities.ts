// SPDX-License-Identifier: Apache-2.0

import { CENTRAL_CA, MADE_BY_CONTROLLER, NODE_CA } from "../../api/certificates.ts";
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
  /** Its own certificate, and those that its Secret has in `ca.crt`: PEM, one after the other. */
  readonly trusted: string;
}

/** The two authorities. */
export interface Authorities {
  readonly central: Authority;
  readonly nodes: Authority;
}

/**
 * Returns the two authorities; creates missing ones. Rejects as {@link ensureAuthority}, and with PkiError `malformed` if they have a common root: a
 * server accepts every client certificate that leads to a trusted authority, so each node's key would give access to the northbound database.
 */
export async function ensureAuthorities(
  kube: Kube,
  namespace: string,
  folder: string,
  now: number,
): Promise<Authorities> {
  const central = await ensureAuthority(kube, { namespace, name: CENTRAL_CA }, folder, now);
  const nodes = await ensureAuthority(kube, { namespace, name: NODE_CA }, folder, now);
  const trusted = certificatesIn(central.trusted);
  for (const of of certificatesIn(nodes.trusted))
    for (const by of trusted)
      if (hasSameKey(of, by) || isIssuedBy(of, by))
        throw new PkiError(
          "malformed",
          `Secrets ${namespace}/${CENTRAL_CA} and ${namespace}/${NODE_CA} must have no authority in common: the northbound database would accept nodes, because ${readCertificate(by).subject} of the first vouches for ${readCertificate(of).subject} of the second`,
        );
  return { central, nodes };
}

function hasSameKey(one: string, other: string): boolean {
  const [{ publicKey }, second] = [readCertificate(one), readCertificate(other)];
  return publicKey.equals(second.publicKey);
}

/**
 * The authority in a Secret of type `kubernetes.io/tls`, created if missing: it may be ours, an administrator's or cert-manager's. An existing one is
 * never overwritten. Rejects with KubeError, or with PkiError `malformed` if the Secret has no usable authority.
 */
async function ensureAuthority(kube: Kube, ref: ObjectRef, folder: string, now: number): Promise<Authority> {
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

function authorityIn(secret: Secret, { namespace, name }: ObjectRef, now: number): Authority {
  const chain = certificatesIn(decode(secret, "tls.crt"));
  const [certificate] = chain;
  const privateKey = decode(secret, "tls.key");
  const malformed = (problem: string, cause?: unknown): PkiError =>
    new PkiError("malformed", `Secret ${namespace}/${name} ${problem}`, { cause });
  if (certificate === undefined) throw malformed("has no certificate in tls.crt");
  // Further certificates in tls.crt are the chain: Open vSwitch does not send it, so verifiers need them.
  const all = [...new Set([...chain, ...certificatesIn(decode(secret, "ca.crt"))])];
  try {
    for (const one of all) readCertificate(one);
  } catch (cause) {
    throw malformed("has a malformed certificate in tls.crt or ca.crt", cause);
  }
  const read = readCertificate(certificate);
  if (!read.ca) throw malformed("has a certificate in tls.crt that is not of an authority (CA:TRUE)");
  if (!isKeyOf(privateKey, read))
    throw malformed("has no private key in tls.key that belongs to the certificate in tls.crt");
  if (Date.parse(read.validTo) <= now)
    throw malformed(`has a certificate in tls.crt that has ended, on ${read.validTo}`);
  return { certificate, privateKey, trusted: all.join("") };
}
