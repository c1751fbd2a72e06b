// SPDX-License-Identifier: Apache-2.0

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { createProgress } from "../../../hack/host/progress.ts";
import { inSandbox } from "../../../hack/image/sandbox.ts";
import { issueKey, makeAuthority } from "../../../src/pki/authority.ts";

const progress = createProgress();

/** A shell command that writes a file. */
function file(path: string, text: string): string {
  return `mkdir -p ${join(path, "..")}; cat >${path} <<'PEM'\n${text}PEM\nchmod 600 ${path}`;
}

t.test("ovn-central's image serves by TLS what each certificate may do, and nothing without one", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "weft-central-tls-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const at = { now: Date.now(), days: 2 };
  const central = await makeAuthority(folder, { commonName: "weft-central-ca", ...at });
  const nodes = await makeAuthority(folder, { commonName: "weft-node-ca", ...at });
  const pem = async (commonName: string, authority: typeof central, server = false): Promise<string> => {
    const usages = server ? (["serverAuth", "clientAuth"] as const) : (["clientAuth"] as const);
    const { privateKey, certificate } = await issueKey(folder, authority, { commonName, usages, ...at });
    return privateKey + certificate;
  };
  const script = [
    file("/etc/weft-tls/tls.pem", await pem("ovn-central", central, true)),
    file("/etc/weft-tls/ca.pem", central.certificate),
    file("/etc/weft-tls/ca-nodes.pem", central.certificate + nodes.certificate),
    file("/tmp/new.pem", await pem("ovn-central", central, true)),
    file("/tmp/controller.pem", await pem("weft-controller", central)),
    file("/tmp/n1.pem", await pem("chassis-1", nodes)),
    file("/tmp/n2.pem", await pem("chassis-2", nodes)),
    `until_true() { local left=$(($1 * 10)); shift; until "$@" >/dev/null 2>&1; do [ $((left -= 1)) -gt 0 ] || { echo "never: $*"; return 1; }; sleep 0.1; done; }
    as() { local who=$1 program=$2 port=$3; shift 3; "$program" --timeout=5 --db=ssl:127.0.0.1:$port -p /tmp/$who.pem -c /tmp/$who.pem -C /etc/weft-tls/ca.pem "$@" 2>&1; }
    served() { openssl s_client -connect 127.0.0.1:6641 -cert /tmp/controller.pem -key /tmp/controller.pem </dev/null 2>/dev/null | openssl x509 -noout -serial; }
    OVN_TLS=true /opt/weft/bin/start-central >/tmp/log 2>&1 & main=$!
    until_true 30 /opt/weft/bin/central-health && echo healthy
    as controller ovn-nbctl 6641 ls-add one && echo "the controller writes"
    as n1 ovn-nbctl 6641 ls-list >/dev/null || echo "a node does not reach the northbound database"
    ovn-nbctl --timeout=5 --db=tcp:127.0.0.1:6641 ls-list >/dev/null 2>&1 || echo "nor does anybody without TLS"
    as n1 ovn-sbctl 6642 chassis-add chassis-1 geneve 192.0.2.1 && echo "a node adds its chassis"
    as n2 ovn-sbctl 6642 chassis-del chassis-1 | grep -m1 -o 'RBAC.*prohibit' | tr -d '\\\\"'
    as controller ovn-sbctl 6642 chassis-del chassis-1 | grep -m1 -o 'RBAC.*prohibit' | tr -d '\\\\"'
    as n2 ovn-sbctl 6642 --bare --columns=name list Chassis
    before=$(served); mv /tmp/new.pem /etc/weft-tls/tls.pem
    [ "$(served)" != "$before" ] && echo "a renewed certificate is shown"
    grep -c 'certificate verify failed' /tmp/log | sed 's/[1-9][0-9]*/the refusal is logged/'
    kill -TERM $main; wait $main; echo "ended with $?"`,
  ].join("\n");
  const { stdout, stderr } = await inSandbox(script, progress);
  if (stderr !== "") t.comment(stderr);
  t.strictSame(stdout.trim().split("\n"), [
    "healthy",
    "the controller writes",
    "a node does not reach the northbound database",
    "nor does anybody without TLS",
    "a node adds its chassis",
    "RBAC rules for client chassis-2 role ovn-controller prohibit",
    "RBAC rules for client weft-controller role ovn-controller prohibit",
    "chassis-1",
    "a renewed certificate is shown",
    "the refusal is logged",
    "ended with 0",
  ]);
});
