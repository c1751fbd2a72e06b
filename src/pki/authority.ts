// SPDX-License-Identifier: Apache-2.0

import { generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import { formatTime } from "../time/rfc3339.ts";
import { certificatesIn } from "./certificate.ts";
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

/**
 * A certificate is valid from this many ms before it was created: the clock by which it was made may be hours ahead, and the others would refuse it for as long. A day, like
 * any time in the past, allows nothing that the key's holder could not do now.
 */
const EARLY_MS = 24 * 60 * 60_000;
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
