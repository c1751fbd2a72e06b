// SPDX-License-Identifier: Apache-2.0

import { createPrivateKey, generateKeyPair, X509Certificate } from "node:crypto";
import { promisify } from "node:util";
import { formatTime } from "../time/rfc3339.ts";
import { PkiError } from "./error.ts";
import { openssl } from "./openssl.ts";

/** A private key and the certificate of its public key, both PEM. */
export interface CertifiedKey {
  readonly privateKey: string;
  readonly certificate: string;
}

/** The allowed uses of a certificate, as OpenSSL names them (x509v3_config(5), "Extended Key Usage"). */
export type KeyUse = "serverAuth" | "clientAuth";

/** The content of a certificate. */
export interface Subject {
  /** See {@link isCommonName}. */
  readonly commonName: string;
  readonly usages: readonly KeyUse[];
  /** Start of the validity, in ms since the epoch. */
  readonly now: number;
  readonly days: number;
}

/** Clocks of nodes differ by seconds to minutes: a certificate is valid from this many ms before it was created. */
const EARLY_MS = 5 * 60_000;
const DAY_MS = 24 * 60 * 60_000;

/**
 * Whether a text can be the common name of a certificate: X.520 allows 64 characters, and these need no quoting
 * anywhere.
 */
export function isCommonName(text: string): boolean {
  return /^[A-Za-z0-9._-]{1,64}$/.test(text);
}

/** A new key on the curve P-256, PEM (PKCS #8). */
export async function newKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)("ec", { namedCurve: "prime256v1" });
  return String(privateKey.export({ type: "pkcs8", format: "pem" }));
}

/**
 * Creates a certificate authority with a self-signed certificate. `folder`: for temporary files, best in memory.
 * Rejects PkiError.
 */
export async function makeAuthority(folder: string, subject: Omit<Subject, "usages">): Promise<CertifiedKey> {
  const privateKey = await newKey();
  const request = await makeRequest(folder, privateKey, subject.commonName);
  const files = { "ca.key": privateKey, "ca.crt": "" };
  const certificate = await sign(folder, files, request, subject, AUTHORITY, ["-selfsign"]);
  return { privateKey, certificate };
}

/** Creates a certificate signing request (PKCS #10, PEM): proof that its author has the key. Rejects PkiError. */
export async function makeRequest(folder: string, privateKey: string, commonName: string): Promise<string> {
  requireName(commonName);
  const files = { key: privateKey, config: "[req]\ndistinguished_name = dn\nprompt = no\n[dn]\nCN = weft\n" };
  return await openssl(folder, files, [
    "req",
    "-new",
    "-config",
    "config",
    "-key",
    "key",
    "-subj",
    `/CN=${commonName}`,
  ]);
}

/**
 * Signs a certificate, PEM, by `authority` for the key of `request`. Only the key of the request is used; name and
 * usages are `subject`'s. Rejects PkiError: `refused` if the request is malformed or not signed with its key.
 */
export async function issue(
  folder: string,
  authority: CertifiedKey,
  request: string,
  subject: Subject,
): Promise<string> {
  const files = { "ca.key": authority.privateKey, "ca.crt": authority.certificate };
  return await sign(folder, files, request, subject, leaf(subject.usages), ["-cert", "ca.crt"]);
}

/** Creates a key with a certificate of `authority`. Rejects PkiError. */
export async function issueKey(folder: string, authority: CertifiedKey, subject: Subject): Promise<CertifiedKey> {
  const privateKey = await newKey();
  const request = await makeRequest(folder, privateKey, subject.commonName);
  return { privateKey, certificate: await issue(folder, authority, request, subject) };
}

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

/** Whether the holder of the key of `authority` signed `certificate`. Throws PkiError `malformed`. */
export function isIssuedBy(certificate: string, authority: string): boolean {
  const [one, issuer] = [readCertificate(certificate), readCertificate(authority)];
  return one.checkIssued(issuer) && one.verify(issuer.publicKey);
}

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

function isReadable(certificate: string): boolean {
  try {
    readCertificate(certificate);
    return true;
  } catch {
    return false;
  }
}

const AUTHORITY = `basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
`;

function leaf(usages: readonly KeyUse[]): string {
  return `basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = ${usages.join(",")}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
`;
}

/** Uses `openssl ca`, the only command of OpenSSL 3.0 that accepts times to the second, and times in the past. */
async function sign(
  folder: string,
  files: Readonly<Record<string, string>>,
  request: string,
  { commonName, now, days }: Omit<Subject, "usages">,
  extensions: string,
  by: readonly string[],
): Promise<string> {
  requireName(commonName);
  const config = `[ca]
default_ca = weft
[weft]
database = index
new_certs_dir = .
rand_serial = yes
unique_subject = no
default_md = sha256
policy = names
copy_extensions = none
x509_extensions = extensions
[names]
commonName = supplied
[extensions]
${extensions}`;
  const all = { ...files, request, config, index: "" };
  const printed = await openssl(folder, all, [
    ...["ca", "-batch", "-notext", "-config", "config", "-keyfile", "ca.key", ...by],
    ...["-in", "request", "-subj", `/CN=${commonName}`],
    ...["-startdate", time(now - EARLY_MS), "-enddate", time(now + days * DAY_MS)],
  ]);
  const [certificate] = certificatesIn(printed);
  if (certificate === undefined) throw new PkiError("refused", "openssl ca has printed no certificate");
  return certificate;
}

function requireName(name: string): void {
  if (!isCommonName(name))
    throw new PkiError("malformed", `${JSON.stringify(name)} is not a valid common name of a certificate`);
}

/** YYYYMMDDHHMMSSZ (ASN.1 GeneralizedTime). */
function time(ms: number): string {
  return formatTime(ms).replaceAll(/[-:T]/g, "");
}
