// SPDX-License-Identifier: Apache-2.0

import {
  CENTRAL_SECRET,
  CERTIFICATE_FILE,
  MADE_BY_CONTROLLER,
  NODE_ISSUER,
  NODE_TRUST_FILE,
  TRUST,
  TRUST_FILE,
} from "../../api/certificates.ts";
import { samePlain } from "../../collections/plain.ts";
import { unlessNotFound } from "../../kube/errors.ts";
import type { Kube } from "../../kube/kube.ts";
import { CONFIG_MAPS, SECRETS } from "../../kube/resources.ts";
import type { ConfigMap, Secret } from "../../kube/types.ts";
import { issueKey, type KeyUse } from "../../pki/authority.ts";
import { isIssuedBy } from "../../pki/certificate.ts";
import { pemRenewalTime } from "../../pki/renewal.ts";
import { type Authority, decode, encode, readSecret } from "./authorities.ts";

/** The tools to issue a certificate of central's authority. */
export interface Issuing {
  readonly central: Authority;
  /** A folder for temporary files. */
  readonly folder: string;
  readonly days: number;
  /** Ms since the epoch. */
  readonly now: number;
}

/** Key and certificate in one text. Rejects PkiError. */
export async function issuePem(commonName: string, usages: readonly KeyUse[], issuing: Issuing): Promise<string> {
  const { central, folder, now, days } = issuing;
  const { privateKey, certificate } = await issueKey(folder, central, { commonName, usages, now, days });
  return privateKey + certificate;
}

/** The time at which a key and certificate must be renewed, in ms since the epoch: now if another authority has signed it. */
export function dueTime(pem: string, authority: Authority): number {
  return pemRenewalTime(pem, (certificate) => isIssuedBy(certificate, authority.certificate));
}

/**
 * Maintains the Secret that ovn-central's pod mounts: a certificate that does not expire soon, and the authorities that its servers trust. Resolves
 * with the time of the next call, in ms since the epoch. Rejects KubeError (`conflict`, `exists`: another replica was faster) or PkiError.
 */
export async function ensureCentral(
  kube: Kube,
  namespace: string,
  nodes: Authority,
  issuing: Issuing,
): Promise<number> {
  const ref = { namespace, name: CENTRAL_SECRET };
  const found = await readSecret(kube, ref);
  const current = found === undefined ? "" : decode(found, CERTIFICATE_FILE);
  const pem =
    dueTime(current, issuing.central) > issuing.now
      ? current
      : await issuePem("ovn-central", ["serverAuth", "clientAuth"], issuing);
  const data = {
    [CERTIFICATE_FILE]: encode(pem),
    [TRUST_FILE]: encode(issuing.central.trusted),
    [NODE_TRUST_FILE]: encode(issuing.central.trusted + nodes.trusted),
  };
  if (found === undefined)
    await kube.create<Secret>(SECRETS, { metadata: { ...ref, labels: MADE_BY_CONTROLLER }, type: "Opaque", data });
  else if (!samePlain(found.data, data)) await kube.update<Secret>(SECRETS, { ...found, data });
  return dueTime(pem, issuing.central);
}

/** Maintains the ConfigMap with the authorities that all components trust. Rejects KubeError, as {@link ensureCentral}. */
export async function ensureTrust(kube: Kube, namespace: string, central: Authority, nodes: Authority): Promise<void> {
  const ref = { namespace, name: TRUST };
  const data = { [TRUST_FILE]: central.trusted, [NODE_ISSUER]: nodes.certificate };
  const found = await kube.get<ConfigMap>(CONFIG_MAPS, ref).catch(unlessNotFound);
  if (found === undefined)
    await kube.create<ConfigMap>(CONFIG_MAPS, { metadata: { ...ref, labels: MADE_BY_CONTROLLER }, data });
  else if (!samePlain(found.data, data)) await kube.update<ConfigMap>(CONFIG_MAPS, { ...found, data });
}
