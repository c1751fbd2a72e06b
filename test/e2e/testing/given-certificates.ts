// SPDX-License-Identifier: Apache-2.0

import { until } from "../../../hack/lab/wait.ts";
import { TRUST, TRUST_RECORD } from "../../../src/api/certificates.ts";
import { decodeTrust, encodeTrust, type TrustedAuthority } from "../../../src/controller/certificates/trust.ts";
import { CONFIG_MAPS, SECRETS } from "../../../src/kube/resources.ts";
import type { ConfigMap, Secret } from "../../../src/kube/types.ts";
import { type CertifiedKey, issueKey } from "../../../src/pki/authority.ts";
import { inContainer, PROGRAM } from "./processes.ts";
import type { World } from "./world.ts";

const namespace = "kube-system";

/** Names of the Secrets of {@link writeAsCertManager}. */
export const GIVEN = { central: "given-central", controller: "given-controller" } as const;

/** The values of the chart by which they are used. */
export const USE_GIVEN = [`tls.secrets.central=${GIVEN.central}`, `tls.secrets.controller=${GIVEN.controller}`];

/** What cert-manager's issuer of kind CA puts into the Secret of a Certificate. */
export async function issued(
  folder: string,
  ca: CertifiedKey,
  holder: keyof typeof GIVEN,
): Promise<Readonly<Record<string, string>>> {
  const subject =
    holder === "central"
      ? ({ commonName: "ovn-central", usages: ["serverAuth", "clientAuth"] } as const)
      : ({ commonName: "weft-controller", usages: ["clientAuth"] } as const);
  const { privateKey, certificate } = await issueKey(folder, ca, { ...subject, now: Date.now(), days: 30 });
  return { "tls.crt": certificate, "tls.key": privateKey, "ca.crt": ca.certificate };
}

/** Writes a Secret as cert-manager does: created, and at each renewal all values replaced by one request. */
export async function writeAsCertManager(
  world: World,
  name: string,
  texts: Readonly<Record<string, string>>,
): Promise<void> {
  const data = Object.fromEntries(
    Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
  );
  await world.kube.patch<Secret>(
    SECRETS,
    { namespace, name },
    {
      ...{ type: "apply", fieldManager: "cert-manager-certificates-issuing", force: true },
      body: { apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, type: "kubernetes.io/tls", data },
    },
  );
}

/**
 * Shortens the time for which a new authority is only trusted: resolves when ovn-central's pod has it in the file of `authorities`, as kubelet has brought it, and the
 * controller has been told that it has been there for long.
 */
export async function endSettling(world: World, file: "ca.pem" | "ca-nodes.pem", authority: string): Promise<void> {
  const line = authority.split("\n")[2] ?? "";
  for (const central of world.own("ovn-central"))
    await until(`the new authority in ${central.metadata.name}`, 200_000, async () => {
      const found = await inContainer(
        central.metadata.uid,
        PROGRAM.central,
        ["grep", "-cF", line, `/etc/weft-tls/${file}`],
        {
          allowFailure: true,
        },
      );
      return found.code === 0;
    });
  const trust = await world.kube.get<ConfigMap>(CONFIG_MAPS, { namespace, name: TRUST });
  const { central, nodes } = decodeTrust(trust.data?.[TRUST_RECORD] ?? "");
  const settled = (list: readonly TrustedAuthority[]) => list.map((each) => ({ ...each, since: 0 }));
  const record = encodeTrust({ central: settled(central), nodes: settled(nodes) });
  await world.kube.patch(
    CONFIG_MAPS,
    { namespace, name: TRUST },
    { type: "merge", body: { data: { [TRUST_RECORD]: record } } },
  );
  // The controller watches the Secrets.
  const body = { metadata: { annotations: { "weft.test/settled": String(Date.now()) } } };
  await world.kube.patch(SECRETS, { namespace, name: "weft-node-ca" }, { type: "merge", body });
}
