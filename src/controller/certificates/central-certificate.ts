// SPDX-License-Identifier: Apache-2.0

import {
  CENTRAL_SECRET,
  CERTIFICATE_FILE,
  MADE_BY_CONTROLLER,
  NODE_ISSUER,
  NODE_TRUST_FILE,
  TRUST,
  TRUST_FILE,
  TRUST_RECORD,
} from "../../api/certificates.ts";
import { samePlain } from "../../collections/plain.ts";
import { unlessNotFound } from "../../kube/errors.ts";
import type { Kube } from "../../kube/kube.ts";
import { CONFIG_MAPS, SECRETS } from "../../kube/resources.ts";
import type { ConfigMap, Secret } from "../../kube/types.ts";
import { certificatesIn } from "../../pki/certificate.ts";
import { PkiError } from "../../pki/error.ts";
import { decode, encode, readSecret } from "./authorities.ts";
import { decodeTrust, encodeTrust, settledTime, type TrustRecord, trustText } from "./trust.ts";

/** The objects with which other components get certificates and authorities, as they are stored; undefined if missing. */
export interface Published {
  /** What ovn-central's pod mounts. */
  readonly central: Secret | undefined;
  /** What all components trust. */
  readonly trust: ConfigMap | undefined;
}

/** Reads both. Rejects KubeError. */
export async function readPublished(kube: Kube, namespace: string): Promise<Published> {
  const [central, trust] = await Promise.all([
    readSecret(kube, { namespace, name: CENTRAL_SECRET }),
    kube.get<ConfigMap>(CONFIG_MAPS, { namespace, name: TRUST }).catch(unlessNotFound),
  ]);
  return { central, trust };
}

/**
 * The authorities that components trust already; undefined if there are none. Without a valid record (of an earlier version, or damaged) they are those that
 * the components read.
 */
export function trustIn({ central, trust }: Published): TrustRecord | undefined {
  if (trust === undefined) return undefined;
  try {
    return decodeTrust(trust.data?.[TRUST_RECORD] ?? "");
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
  }
  const old = (text: string, without: string) =>
    certificatesIn(text)
      .filter((certificate) => !without.includes(certificate))
      .map((certificate) => ({ certificate, since: 0 }));
  const trusted = trust.data?.[TRUST_FILE] ?? "";
  return {
    central: old(trusted, ""),
    nodes: old(central === undefined ? "" : decode(central, NODE_TRUST_FILE), trusted),
  };
}

/** The certificate that ovn-central uses, with its key; "" if there is none. */
export function centralPem({ central }: Published): string {
  return central === undefined ? "" : decode(central, CERTIFICATE_FILE);
}

/** Writes the Secret if it differs. Rejects KubeError (`conflict`, `exists`: another replica was faster). */
export async function writeCentral(
  kube: Kube,
  namespace: string,
  found: Secret | undefined,
  pem: string,
  record: TrustRecord,
): Promise<void> {
  const data = {
    [CERTIFICATE_FILE]: encode(pem),
    [TRUST_FILE]: encode(trustText(record.central)),
    [NODE_TRUST_FILE]: encode(trustText(record.central) + trustText(record.nodes)),
  };
  const metadata = { namespace, name: CENTRAL_SECRET, labels: MADE_BY_CONTROLLER };
  if (found === undefined) await kube.create<Secret>(SECRETS, { metadata, type: "Opaque", data });
  else if (!samePlain(found.data, data)) await kube.update<Secret>(SECRETS, { ...found, data });
}

/**
 * Writes the ConfigMap if it differs. Nodes renew their certificates when another authority signs them: not before the databases trust it. `issuer`: the
 * authority that signs for nodes. Rejects KubeError, as {@link writeCentral}.
 */
export async function writeTrust(
  kube: Kube,
  namespace: string,
  found: ConfigMap | undefined,
  issuer: string,
  record: TrustRecord,
  now: number,
): Promise<void> {
  const former = found?.data?.[NODE_ISSUER];
  const data = {
    [TRUST_FILE]: trustText(record.central),
    [NODE_ISSUER]: former === undefined || settledTime(record.nodes, issuer) <= now ? issuer : former,
    [TRUST_RECORD]: encodeTrust(record),
  };
  const metadata = { namespace, name: TRUST, labels: MADE_BY_CONTROLLER };
  if (found === undefined) await kube.create<ConfigMap>(CONFIG_MAPS, { metadata, data });
  else if (!samePlain(found.data, data)) await kube.update<ConfigMap>(CONFIG_MAPS, { ...found, data });
}
