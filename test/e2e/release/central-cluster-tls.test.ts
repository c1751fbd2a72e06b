// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { NORTHD_PROBE_MS } from "../../../src/controller/databases/northd-probe-interval.ts";
import { centralCertificates } from "../testing/central-certificates.ts";
import { ALL_WORK, onCentrals } from "../testing/centrals.ts";

const CLIENTS = `
as() { local who=$1 program=$2 remotes=$3; shift 3; "$program" --timeout=3 --db=$remotes -p /tmp/$who.pem -c /tmp/$who.pem -C /etc/weft-tls/ca.pem "$@" 2>&1; }
to() { echo ssl:10.0.0.1:$1,ssl:10.0.0.2:$1,ssl:10.0.0.3:$1; }
write() { until_true 5 as controller ovn-nbctl $(to 6641) --may-exist ls-add $1; }
seen() { local list; list=$(as controller ovn-nbctl $(to 6641) --bare --columns=name list Logical_Switch | grep . | sort | paste -sd ' '); echo "switches: $list"; }
datapath() { as n1 ovn-sbctl $(to 6642) --no-leader-only --bare --columns=_uuid find Datapath_Binding external_ids:name=$1 | grep -qE '^[0-9a-f]{8}-'; }
`;

t.test("three centrals with TLS: nodes are served by relays and can connect to nothing else", async (t) => {
  const out = await onCentrals(
    t,
    `${CLIENTS}
    tls=true; for n in 1 2 3; do start $n; done; all_work; write first; until_true 4 datapath first && echo "a node sees it"
    until_true 3 as n1 ovn-sbctl $(to 6642) --no-leader-only --may-exist chassis-add chassis-1 geneve 192.0.2.1 && echo "a node adds its chassis"
    refused() { as n2 ovn-sbctl $(to 6642) --no-leader-only chassis-del chassis-1 >/tmp/refused; grep -q RBAC /tmp/refused; }; until_true 2 refused; grep -m1 -o 'RBAC.*prohibit' /tmp/refused | tr -d '\\\\"'
    logged() { cat /n/?/log | grep -m1 -o 'row deletion from table "Chassis", to client chassis-2'; }; until_true 5 logged; logged
    for port in 6641 6642 6649 6650 6643 6644; do for n in 1 2 3; do
      timeout 2 openssl s_client -connect 10.0.0.$n:$port -cert /tmp/n1.pem -key /tmp/n1.pem -quiet </dev/null >/tmp/said 2>&1; grep -qi 'alert' /tmp/said || echo "$n:$port takes a node's certificate"
    done; done
    as controller ovn-nbctl $(to 6641) set NB_Global . options:northd_probe_interval=${NORTHD_PROBE_MS}
    echo then; hung=$(leader sb OVN_Southbound); kill -STOP $(cat /n/$hung/run/ovnsb_db.pid); write second; until_true 10 datapath second && echo "a node sees what came while the leader hung"
    kill -CONT $(cat /n/$hung/run/ovnsb_db.pid); crash $hung; write third; until_true 10 datapath third && echo "a node sees what came after a crash"
    rm -rf /n/$hung/etc/*; start $hung; all_work; seen
    kill -9 $(cat /n/1/run/ovnsb_relay.pid); until_true 2 as n1 ovn-sbctl ssl:10.0.0.1:6642 --no-leader-only --bare list SB_Global && echo "a relay that died is back"
    modified() { as n2 ovn-sbctl ssl:10.0.0.1:6642 --no-leader-only set Chassis chassis-1 hostname=other; grep 'modification of table "Chassis", to client chassis-2' /n/1/log; }; until_true 5 modified && echo "and logs what it refuses"
    `,
    await centralCertificates(t),
  );
  t.match(
    out,
    `${ALL_WORK}a node sees it\na node adds its chassis\nRBAC rules for client chassis-2 role ovn-controller prohibit\nrow deletion from table "Chassis", to client chassis-2\n${[1, 2, 3].map((n) => `${n}:6642 takes a node's certificate\n`).join("")}`,
  );
  t.match(
    out,
    `then\na node sees what came while the leader hung\na node sees what came after a crash\n${ALL_WORK}switches: first second third\na relay that died is back\nand logs what it refuses\n`,
  );
});

t.test("three centrals switch to TLS one after the other, and back, without losing a row", async (t) => {
  const out = await onCentrals(
    t,
    `${CLIENTS}
    for n in 1 2 3; do start $n; done; all_work; add first
    tls=true; for n in 1 2 3; do stop $n; start $n; if [ $n != 3 ]; then until_true 20 test -e /n/$n/run/weft-waiting-nb && echo "$n waits"; fi; done
    all_work; write second; seen; grep -o 'is of a cluster that does not use ssl' /n/2/log | sort -u
    tls=false; for n in 3 1 2; do stop $n; start $n; done; all_work; add third; switches
    `,
    await centralCertificates(t),
  );
  t.match(out, "1 ended with 0\n1 waits\n2 ended with 0\n2 waits\n3 ended with 0\n");
  t.match(out, `${ALL_WORK}switches: first second\nis of a cluster that does not use ssl\n`);
  t.match(out, `${ALL_WORK}first\nsecond\nthird\n`);
});

t.test("three centrals: a BFD session has the chassis that hosts its port, whichever of them ends", async (t) => {
  const out = await onCentrals(
    t,
    `
    tls=true; for n in 1 2 3; do start $n; done; all_work
    asked=1; nb() { ovn-nbctl --timeout=20 --db=unix:/n/$asked/run/ovnnb_db.sock --no-leader-only "$@"; }; sb() { ovn-sbctl --timeout=20 --db=unix:/n/$asked/run/ovnsb_db.sock --no-leader-only "$@"; }
    for chassis in 1 2; do sb chassis-add chassis-$chassis geneve 192.0.2.$chassis; done
    nb ls-add out -- lr-add r -- lrp-add r r-out 02:00:00:00:00:01 192.0.2.1/24 -- lsp-add out out-r -- lsp-set-type out-r router \\
      -- lsp-set-addresses out-r router -- lsp-set-options out-r router-port=r-out \\
      -- --id=@b create bfd logical_port=r-out dst_ip=192.0.2.2 -- --id=@s create logical_router_static_route ip_prefix=0.0.0.0/0 nexthop=192.0.2.2 output_port=r-out bfd=@b \\
      -- add logical_router r static_routes @s -- lrp-set-gateway-chassis r-out chassis-1 10 >/dev/null
    until_true 10 sb get port_binding cr-r-out _uuid
    bind() { sb lsp-unbind cr-r-out -- lsp-bind cr-r-out chassis-$1; }
    named() { [ "$(sb --bare --columns=chassis_name list bfd)" = chassis-$1 ]; }
    changes() { cat /n/?/log | grep -c 'have the chassis of their ports'; }
    # Nothing has been changed for three seconds.
    quiet() { local before=$(changes); sleep 3; [ $(changes) = $before ]; }
    sb lsp-bind cr-r-out chassis-1; until_true 30 named 1 && echo named; until_true 30 quiet; echo changes: $(changes)

    for i in 1 2 3 4 5 6 7 8 9; do bind $((i % 2 + 1)); done; until_true 30 quiet && named 2 && echo "named after nine moves, and it stays"

    writers() { local n; for n in 1 2 3; do pgrep -P \${main[$n]} -f bfd-chassis; done; }
    old=$(grep -l 'have the chassis' /n/?/log | head -1 | cut -d / -f 3); kill -9 $(pgrep -P \${main[$old]} -f bfd-chassis); bind 1; until_true 30 named 1 && echo "named, without the one that wrote"
    three() { [ $(writers | wc -l) = 3 ]; }; until_true 30 three; kill -9 $(writers); bind 2; until_true 30 named 2 && echo "named, after all of them were killed"
    six() { [ $(pgrep -fc '^ovsdb-client .*monitor') = 6 ]; }; until_true 30 six && echo "and nothing of theirs remains"

    lost() { local n; for n in 1 2 3; do [ $n = $1 ] || asked=$n; done; }
    hung=$(leader sb OVN_Southbound); lost $hung; kill -STOP $(cat /n/$hung/run/ovnsb_db.pid); until_true 30 sb list SB_Global; bind 1; until_true 30 named 1 && echo "named, while the leader hung"; kill -CONT $(cat /n/$hung/run/ovnsb_db.pid)
    gone=$(leader sb OVN_Southbound); lost $gone; crash $gone; until_true 30 sb list SB_Global; bind 2; until_true 30 named 2 && echo "named, after the leader was lost"
    `,
    await centralCertificates(t),
  );
  t.match(out, `${ALL_WORK}named\nchanges: 1\nnamed after nine moves, and it stays\n`);
  t.match(
    out,
    "named, without the one that wrote\nnamed, after all of them were killed\nand nothing of theirs remains\n",
  );
  t.match(out, "named, while the leader hung\nnamed, after the leader was lost\n");
});
