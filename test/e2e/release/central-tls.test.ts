// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { createProgress } from "../../../hack/host/progress.ts";
import { inSandbox } from "../../../hack/image/sandbox.ts";
import { centralCertificates } from "../testing/central-certificates.ts";

const progress = createProgress();

t.test("ovn-central's image allows by TLS what each certificate permits, and nothing without one", async (t) => {
  const script = [
    await centralCertificates(t),
    `until_true() { local left=$(($1 * 10)); shift; until "$@" >/dev/null 2>&1; do [ $((left -= 1)) -gt 0 ] || { echo "never: $*"; return 1; }; sleep 0.1; done; }
    as() { local who=$1 program=$2 port=$3; shift 3; "$program" --timeout=5 --db=ssl:127.0.0.1:$port -p /tmp/$who.pem -c /tmp/$who.pem -C /etc/weft-tls/ca.pem "$@" 2>&1; }
    served() { openssl s_client -connect 127.0.0.1:6641 -cert /tmp/controller.pem -key /tmp/controller.pem </dev/null 2>/dev/null | openssl x509 -noout -serial; }
    OVN_TLS=true /opt/weft/bin/start-central >/tmp/log 2>&1 & main=$!
    until_true 30 /opt/weft/bin/central-health && echo healthy
    as controller ovn-nbctl 6641 ls-add one && echo "the controller writes"
    as n1 ovn-nbctl 6641 ls-list >/dev/null || echo "a node does not reach the northbound database"
    ovn-nbctl --timeout=5 --db=tcp:127.0.0.1:6641 ls-list >/dev/null 2>&1 || echo "no client without TLS is served"
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
    "no client without TLS is served",
    "a node adds its chassis",
    "RBAC rules for client chassis-2 role ovn-controller prohibit",
    "RBAC rules for client weft-controller role ovn-controller prohibit",
    "chassis-1",
    "a renewed certificate is shown",
    "the refusal is logged",
    "ended with 0",
  ]);
});
