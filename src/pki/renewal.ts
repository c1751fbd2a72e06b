// SPDX-License-Identifier: Apache-2.0

import { certificatesIn, isKeyOf, isReadable, readCertificate } from "./certificate.ts";

/**
 * When a certificate should be replaced, in ms since the epoch: when a third of its lifetime is left. Throws PkiError
 * `malformed`.
 */
export function renewalTime(certificate: string): number {
  const { validFrom, validTo } = readCertificate(certificate);
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
  return to - (to - from) / 3;
}

/**
 * When a text with a key and its certificate must be replaced, in ms since the epoch: 0 if either is missing or
 * malformed, or if `isRight` returns false for the certificate. A damaged file or Secret is replaced like a missing
 * one.
 */
export function pemRenewalTime(pem: string, isRight: (certificate: string) => boolean): number {
  const [certificate] = certificatesIn(pem);
  if (certificate === undefined || !isReadable(certificate) || !isKeyOf(pem, readCertificate(certificate))) return 0;
  return isRight(certificate) ? renewalTime(certificate) : 0;
}
