// SPDX-License-Identifier: Apache-2.0

import { type CertifiedKey, issueKey, makeAuthority } from "./authority.ts";

/** No client verifies it, so it need not be renewed: ten years. */
const DAYS = 3_650;

/**
 * A certificate for a server whose clients encrypt what they send but cannot verify the server: of an authority with no other certificate. `folder`: for temporary
 * files, best in memory. Rejects PkiError.
 */
export async function ownCertificate(folder: string, commonName: string, now: number): Promise<CertifiedKey> {
  const authority = await makeAuthority(folder, { commonName, now, days: DAYS });
  return await issueKey(folder, authority, { commonName, usages: ["serverAuth"], now, days: DAYS });
}
