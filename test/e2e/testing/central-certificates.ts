// SPDX-License-Identifier: Apache-2.0

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Test } from "tap";
import { issueKey, makeAuthority } from "../../../src/pki/authority.ts";

/**
 * Shell commands that write the certificates that the controller would issue: those of ovn-central in `/etc/weft-tls`, and in `/tmp` those of its clients,
 * `controller.pem`, `n1.pem` and `n2.pem`, and `new.pem`, with which ovn-central's can be renewed; of another authority, `next-ca.pem`, there are `next-central.pem` and `next-controller.pem`.
 */
export async function centralCertificates(t: Test): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "weft-central-tls-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const at = { now: Date.now(), days: 2 };
  const central = await makeAuthority(folder, { commonName: "weft-central-ca", ...at });
  const nodes = await makeAuthority(folder, { commonName: "weft-node-ca", ...at });
  const next = await makeAuthority(folder, { commonName: "next-central-ca", ...at });
  const pem = async (commonName: string, authority: typeof central, server = false): Promise<string> => {
    const usages = server ? (["serverAuth", "clientAuth"] as const) : (["clientAuth"] as const);
    const { privateKey, certificate } = await issueKey(folder, authority, { commonName, usages, ...at });
    return privateKey + certificate;
  };
  const files = {
    "/etc/weft-tls/tls.pem": await pem("ovn-central", central, true),
    "/etc/weft-tls/ca.pem": central.certificate,
    "/etc/weft-tls/ca-nodes.pem": central.certificate + nodes.certificate,
    "/tmp/new.pem": await pem("ovn-central", central, true),
    "/tmp/controller.pem": await pem("weft-controller", central),
    "/tmp/next-ca.pem": next.certificate,
    "/tmp/next-central.pem": await pem("ovn-central", next, true),
    "/tmp/next-controller.pem": await pem("weft-controller", next),
    "/tmp/n1.pem": await pem("chassis-1", nodes),
    "/tmp/n2.pem": await pem("chassis-2", nodes),
  };
  return [
    "mkdir -p /etc/weft-tls; umask 077",
    ...Object.entries(files).map(([path, text]) => `cat >${path} <<'PEM'\n${text}PEM`),
    "umask 022",
  ].join("\n");
}
