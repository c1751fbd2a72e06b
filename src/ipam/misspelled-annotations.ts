// SPDX-License-Identifier: Apache-2.0

import { annotationDomain } from "../api/annotations.ts";

/** The annotations that decide a pod's address: a typing error in one of these would silently result in another address. */
const OURS = ["ip_address", "mac_address", "ip_pool", "ip_family", "logical_switch"];

/** The largest edit distance at which a word is still recognised. */
const SLIPS = 2;

/**
 * Finds an annotation that is almost, but not quite, one of those that decide an address: an error in the key (`ovn.kubernetes.io/ip_adress`) or in
 * the domain (`ovn.kubernets.io/ip_address`).
 */
export function findMisspelledAnnotation(
  keys: readonly string[],
  provider: string,
): { key: string; meant: string } | undefined {
  const domain = annotationDomain(provider);
  for (const key of keys) {
    const slash = key.indexOf("/");
    if (slash < 0) continue;
    const prefix = key.slice(0, slash);
    const name = key.slice(slash + 1);
    if (prefix === domain) {
      // A key followed by an interface is another form.
      if (OURS.includes(name) || /^(?:ip|mac)_address\./.test(name)) continue;
      const meant = OURS.find((own) => isLikelyTypo(own, name.toLowerCase().replaceAll("-", "_")));
      if (meant !== undefined) return { key, meant: `${domain}/${meant}` };
    } else if (OURS.includes(name) && !isProvider(prefix) && isLikelyTypo(domain, prefix)) {
      return { key, meant: `${domain}/${name}` };
    }
  }
  return undefined;
}

/** Whether a domain is that of an attachment: `<nad>.<namespace>.kubernetes.io`, or a longer one. */
function isProvider(domain: string): boolean {
  return /^[^.]+\.[^.]+(?:\.[^.]+)*\.kubernetes\.io$/.test(domain);
}

/** Whether two words are at most `SLIPS` apart (Damerau–Levenshtein distance, neighbouring letters swapped count once). */
export function isLikelyTypo(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > SLIPS) return false;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return (last[b.length] ?? SLIPS + 1) <= SLIPS;
}
