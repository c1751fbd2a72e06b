// SPDX-License-Identifier: Apache-2.0

import { isObject } from "../../collections/plain.ts";
import { certificatesIn, readCertificate } from "../../pki/certificate.ts";
import { PkiError } from "../../pki/error.ts";
import { formatTime, parseTime } from "../../time/rfc3339.ts";

/** An authority whose certificates all components accept. */
export interface TrustedAuthority {
  /** PEM. */
  readonly certificate: string;
  /** When it was added, in ms since the epoch; 0: before there was anything that had to learn about it. */
  readonly since: number;
  /** When it was no longer among those to trust; absent while it is. */
  readonly until?: number;
}

/** The authorities of the databases and the controller, and those of the nodes. */
export interface TrustRecord {
  readonly central: readonly TrustedAuthority[];
  readonly nodes: readonly TrustedAuthority[];
}

/**
 * After how many ms every component trusts a new authority. The slowest are the databases, whose files kubelet replaces within its sync period (a minute and a
 * half of it at most) after the Secret has changed; daemons watch.
 */
export const SETTLE_MS = 3 * 60_000;

/**
 * For how many ms a former authority is still trusted: nodes renew their certificates as soon as the next authority signs them. A node that is off for
 * longer requests a new one from the API server when it is back.
 */
export const KEEP_MS = 60 * 60_000;

/**
 * The authorities to trust, those that are `given` first: a former one stays for {@link KEEP_MS}, unless it has expired. `before` is undefined if there was
 * no record.
 */
export function decideTrust(
  before: readonly TrustedAuthority[] | undefined,
  given: readonly string[],
  now: number,
): readonly TrustedAuthority[] {
  const known = new Map((before ?? []).map((authority) => [authority.certificate, authority]));
  const added = before === undefined ? 0 : now;
  const present = [...new Set(given)].map((certificate): TrustedAuthority => {
    const found = known.get(certificate);
    // One that comes back within the hour has been trusted the whole time.
    return { certificate, since: found?.since ?? added };
  });
  const former = [...known.values()]
    .filter(({ certificate }) => !given.includes(certificate))
    .map(({ certificate, since, until }): TrustedAuthority => ({ certificate, since, until: until ?? now }))
    .filter(
      ({ certificate, until = now }) => until + KEEP_MS > now && Date.parse(readCertificate(certificate).validTo) > now,
    );
  return [...present, ...former];
}

/** When certificates of an authority can be used, in ms since the epoch: all components trust it then. Never, if it is not in the list. */
export function settledTime(trust: readonly TrustedAuthority[], certificate: string): number {
  const found = trust.find((authority) => authority.certificate === certificate);
  if (found === undefined) return Number.POSITIVE_INFINITY;
  return found.since === 0 ? 0 : found.since + SETTLE_MS;
}

/** When the list must be decided again, in ms since the epoch: an authority can be used from then, or is no longer trusted. */
export function nextChange(trust: readonly TrustedAuthority[], now: number): number {
  const times = trust.flatMap(({ certificate, until }) => [
    settledTime(trust, certificate),
    until === undefined ? 0 : until + KEEP_MS,
  ]);
  return Math.min(...times.filter((time) => time > now));
}

/** The certificates, one after the other. */
export function trustText(trust: readonly TrustedAuthority[]): string {
  return trust.map(({ certificate }) => certificate).join("");
}

/** The record as JSON. Times are in RFC 3339, for people. */
export function encodeTrust(record: TrustRecord): string {
  const list = (trust: readonly TrustedAuthority[]) =>
    trust.map(({ certificate, since, until }) => ({
      subject: readCertificate(certificate).subject.replaceAll("\n", ", "),
      since: formatTime(since),
      ...(until !== undefined && { until: formatTime(until) }),
      certificate,
    }));
  return `${JSON.stringify({ central: list(record.central), nodes: list(record.nodes) }, undefined, 2)}\n`;
}

/** Parses the output of {@link encodeTrust}. Throws PkiError `malformed`. */
export function decodeTrust(text: string): TrustRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PkiError("malformed", "the record of trusted authorities is not JSON", { cause });
  }
  if (!isObject(value)) throw new PkiError("malformed", "the record of trusted authorities is not an object");
  return { central: decodeList(value["central"]), nodes: decodeList(value["nodes"]) };
}

function decodeList(value: unknown): readonly TrustedAuthority[] {
  if (!Array.isArray(value)) throw new PkiError("malformed", "the record of trusted authorities has no list of them");
  return value.map((item: unknown): TrustedAuthority => {
    const { certificate, since, until } = isObject(item) ? item : {};
    const [first] = typeof certificate === "string" ? certificatesIn(certificate) : [];
    const [from, to] = [time(since), time(until)];
    if (first === undefined || from === undefined || (until !== undefined && to === undefined))
      throw new PkiError("malformed", "the record of trusted authorities has an entry without certificate or times");
    readCertificate(first);
    return { certificate: first, since: from, ...(to !== undefined && { until: to }) };
  });
}

function time(value: unknown): number | undefined {
  return typeof value === "string" ? parseTime(value) : undefined;
}
