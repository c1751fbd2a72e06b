// SPDX-License-Identifier: Apache-2.0

import { createPrivateKey, X509Certificate } from "node:crypto";
import { PkiError } from "./error.ts";

/** Parses a certificate. Throws PkiError `malformed`. */
export function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new PkiError("malformed", "not a certificate in PEM", { cause });
  }
}

/** The certificates in a text; other text between them is ignored. */
export function certificatesIn(text: string): readonly string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)?.map((pem) => `${pem}\n`) ?? [];
}

/** Whether the time is within a certificate's validity; `now` in ms since the epoch. Throws PkiError `malformed`. */
export function isValidAt(certificate: string, now: number): boolean {
  const { validFrom, validTo } = readCertificate(certificate);
  return Date.parse(validFrom) <= now && now < Date.parse(validTo);
}

/** Whether the holder of the key of `authority` signed `certificate`. Throws PkiError `malformed`. */
export function isIssuedBy(certificate: string, authority: string): boolean {
  const [one, issuer] = [readCertificate(certificate), readCertificate(authority)];
  return one.checkIssued(issuer) && one.verify(issuer.publicKey);
}

/**
 * Whether a certificate matches the private key in `pem`; text after the key is ignored. False if `pem` has no valid
 * key.
 */
export function isKeyOf(pem: string, certificate: X509Certificate): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(pem));
  } catch {
    return false;
  }
}

/** Whether a text is a certificate. */
export function isReadable(certificate: string): boolean {
  try {
    readCertificate(certificate);
    return true;
  } catch {
    return false;
  }
}
