// SPDX-License-Identifier: Apache-2.0

import { CONTROLLER_NAME } from "../../api/certificates.ts";
import type { Kube } from "../../kube/kube.ts";
import { issueKey, type KeyUse } from "../../pki/authority.ts";
import { certificatesIn, isIssuedBy, isValidAt, readCertificate } from "../../pki/certificate.ts";
import { PkiError } from "../../pki/error.ts";
import { pemRenewalTime } from "../../pki/renewal.ts";
import { type Authority, readSecret, readTlsSecret } from "./authorities.ts";
import { settledTime, type TrustedAuthority } from "./trust.ts";

/** Who has a certificate: the databases (and northd), or the controller. */
export type Holder = "central" | "controller";

/** Common names and usages of the certificates. The names are checked, so that Secrets cannot be confused. */
const SUBJECTS: Readonly<Record<Holder, { readonly commonName: string; readonly usages: readonly KeyUse[] }>> = {
  central: { commonName: "ovn-central", usages: ["serverAuth", "clientAuth"] },
  controller: { commonName: CONTROLLER_NAME, usages: ["clientAuth"] },
};

/** Object identifiers of usages (RFC 5280 §4.2.1.12). */
const USAGES: Readonly<Record<KeyUse, string>> = {
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
};

/** Where the certificates of the databases and the controller come from. `pem`: a private key and its certificate. */
export interface CertificateSource {
  /** The authorities to trust. */
  readonly authorities: readonly string[];
  /** The authority that must be trusted by others before `next(holder)` is used. */
  issuerOf(holder: Holder): string;
  /** When `pem` must be replaced, in ms since the epoch: 0 if it is not of this source. */
  due(holder: Holder, pem: string): number;
  /** The certificate to use from now on. Rejects PkiError. */
  next(holder: Holder): Promise<string>;
}

/** Certificates that the controller issues. `folder`: for temporary files. */
export function issuingSource(authority: Authority, folder: string, now: number, days: number): CertificateSource {
  return {
    authorities: authority.trusted,
    issuerOf: () => authority.certificate,
    due: (_holder, pem) => pemRenewalTime(pem, (certificate) => isIssuedBy(certificate, authority.certificate)),
    async next(holder) {
      const { privateKey, certificate } = await issueKey(folder, authority, { ...SUBJECTS[holder], now, days });
      return privateKey + certificate;
    },
  };
}

/** Names of the Secrets with given certificates. */
export type GivenSecrets = Readonly<Record<Holder, string>>;

/**
 * Certificates that something else issues and renews: Secrets of type `kubernetes.io/tls` with `ca.crt`, as cert-manager writes them. Rejects KubeError, or
 * PkiError `malformed` if one cannot be used; it says why.
 */
export async function givenSource(
  kube: Kube,
  namespace: string,
  secrets: GivenSecrets,
  now: number,
): Promise<CertificateSource> {
  const read = (holder: Holder): Promise<GivenCertificate> =>
    readGiven(kube, { namespace, name: secrets[holder] }, holder, now);
  const given = { central: await read("central"), controller: await read("controller") };
  return {
    authorities: [...new Set([...given.central.authorities, ...given.controller.authorities])],
    issuerOf: (holder) => given[holder].issuer,
    due: (holder, pem) => (pem === given[holder].pem ? given[holder].end : 0),
    next: (holder) => Promise.resolve(given[holder].pem),
  };
}

interface GivenCertificate {
  readonly pem: string;
  readonly issuer: string;
  readonly authorities: readonly string[];
  /** End of its validity, in ms since the epoch. */
  readonly end: number;
}

async function readGiven(
  kube: Kube,
  ref: { readonly namespace: string; readonly name: string },
  holder: Holder,
  now: number,
): Promise<GivenCertificate> {
  const malformed = (problem: string): PkiError =>
    new PkiError("malformed", `Secret ${ref.namespace}/${ref.name} ${problem}`);
  const secret = await readSecret(kube, ref);
  if (secret === undefined) throw malformed("does not exist yet");
  const { certificate, privateKey, chain, ca } = readTlsSecret(secret, ref, now);
  const { commonName, usages } = SUBJECTS[holder];
  const read = readCertificate(certificate);
  const names = read.subject.split("\n").filter((part) => part.startsWith("CN="));
  if (names.length !== 1 || names[0] !== `CN=${commonName}`)
    throw malformed(
      `has a certificate in tls.crt with the subject ${JSON.stringify(read.subject)}: the common name must be ${commonName}`,
    );
  // Undefined without the extension: then all usages are allowed.
  const allowed: readonly string[] | undefined = read.keyUsage;
  const missing = allowed === undefined ? [] : usages.filter((usage) => !allowed.includes(USAGES[usage]));
  if (missing.length > 0) throw malformed(`has a certificate in tls.crt that does not allow ${missing.join(" and ")}`);
  if (ca.length === 0) throw malformed("has no ca.crt: the authority that all components must trust");
  const authorities = [...new Set([...chain, ...ca])];
  const valid = authorities.filter((authority) => isValidAt(authority, now));
  const issuer = valid.find((authority) => isIssuedBy(certificate, authority));
  if (issuer === undefined) {
    const by = JSON.stringify(read.issuer);
    throw malformed(
      authorities.some((authority) => isIssuedBy(certificate, authority))
        ? `has a certificate in tls.crt that is issued by ${by}, which has ended or is not yet valid`
        : `has a certificate in tls.crt that none of ca.crt has issued, but ${by}`,
    );
  }
  if (!leadsToRoot(issuer, valid))
    throw malformed(
      `has no root in ca.crt: ${JSON.stringify(readCertificate(issuer).subject)} is issued by another authority, which is missing, has ended or is not yet valid`,
    );
  return { pem: privateKey + certificate, issuer, authorities, end: Date.parse(read.validTo) };
}

/** OpenSSL accepts a certificate only if the trusted ones lead to a root, which has signed itself. */
function leadsToRoot(certificate: string, trusted: readonly string[]): boolean {
  const seen = new Set<string>();
  let at: string | undefined = certificate;
  while (at !== undefined && !seen.has(at)) {
    const of: string = at;
    if (isIssuedBy(of, of)) return true;
    seen.add(of);
    at = trusted.find((by) => by !== of && isIssuedBy(of, by));
  }
  return false;
}

/** A certificate to use, and when it must be decided again, in ms since the epoch. */
export interface Choice {
  readonly pem: string;
  readonly due: number;
}

/**
 * The certificate to use: the present one (`current`, "" if there is none) until it must be renewed and all components trust the authority of the next one.
 * Without a usable present one: one of `former`, which gives a source whose authority is trusted, or else the next one. Rejects as the sources.
 */
export async function chooseCertificate(
  holder: Holder,
  current: string,
  source: CertificateSource,
  trust: readonly TrustedAuthority[],
  now: number,
  former?: () => Promise<CertificateSource | undefined>,
): Promise<Choice> {
  const due = source.due(holder, current);
  if (due > now) return { pem: current, due };
  const settled = settledTime(trust, source.issuerOf(holder));
  if (settled > now) {
    if (isUsable(current, trust, now)) return { pem: current, due: settled };
    const pem = await (await former?.())?.next(holder);
    if (pem !== undefined) return { pem, due: settled };
  }
  const pem = await source.next(holder);
  return { pem, due: source.due(holder, pem) };
}

/** Whether a key and certificate are valid and of a trusted authority. */
function isUsable(pem: string, trust: readonly TrustedAuthority[], now: number): boolean {
  const [certificate] = certificatesIn(pem);
  if (certificate === undefined) return false;
  const isTrusted = (one: string): boolean => trust.some((authority) => isIssuedBy(one, authority.certificate));
  return pemRenewalTime(pem, isTrusted) > 0 && Date.parse(readCertificate(certificate).validTo) > now;
}
