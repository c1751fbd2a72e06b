// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ALL_WORK, onCentrals } from "../testing/centrals.ts";

const MEMBERS = "tcp:[10.0.0.1]:6643\ntcp:[10.0.0.2]:6643\ntcp:[10.0.0.3]:6643\n";

t.test("three centrals form one cluster, whichever starts first, and one northd is active", async (t) => {
  const out = await onCentrals(
    t,
    `
    start 2; until_true 10 test -e /n/2/run/weft-waiting-nb && echo waits; on 2 /opt/weft/bin/central-health && echo ready
    start 3; start 1; all_work
    add first && nb --wait=sb sync && echo written; northds
    servers 1 nb OVN_Northbound
    `,
  );
  t.match(out, `waits\nready\n${ALL_WORK}written\n1 Status: active\n2 Status: standby\n${MEMBERS}`);
});

t.test("a member rejoins with an empty disk, and with a database of another cluster", async (t) => {
  const out = await onCentrals(
    t,
    `
    for n in 1 2 3; do start $n; done; all_work; add first
    crash 1; rm -rf /n/1/etc/*; add second; start 1; all_work
    until_true 10 grep -q 'which had this address before' /n/1/log; sleep 1; servers 1 nb OVN_Northbound
    stop 3; rm /n/3/etc/ovnnb_db.db; ovsdb-tool create-cluster /n/3/etc/ovnnb_db.db /usr/share/ovn/ovn-nb.ovsschema tcp:[10.0.0.3]:6643 2>/dev/null
    cp /n/2/etc/ovnsb_db.db /n/3/etc/ovnsb_db.db; start 3; all_work
    for name in nb sb; do until_true 10 grep -q "ovn\${name}_db.db is of .*; it is kept" /n/3/log; done
    grep -o 'ovn.b_db.db is of .*' /n/3/log | sed 's/[0-9a-f-]\\{36\\}/ID/g'; switches
    `,
  );
  t.match(out, `${ALL_WORK}${ALL_WORK}${MEMBERS}3 ended with 0\n${ALL_WORK}`);
  t.match(out, "ovnnb_db.db is of cluster ID, and the other members are in cluster ID; it is kept");
  t.match(out, "ovnsb_db.db is of a member with the address tcp:[10.0.0.2]:6644; it is kept");
  t.match(out, /first\nsecond\n$/);
});

t.test("one replica becomes three and three become one, without losing a row", async (t) => {
  const out = await onCentrals(
    t,
    `
    start 1 10.0.0.1; until_true 30 works 1; add first
    start 2; start 3; until_true 10 test -e /n/2/run/weft-waiting-nb; until_true 10 test -e /n/3/run/weft-waiting-nb; add second; stop 1; start 1; all_work; switches
    add third; for n in 1 2 3; do stop $n; done; start 2 10.0.0.2; until_true 30 works 2 && echo alone; switches
    add fourth; start 1; start 3; until_true 10 test -e /n/1/run/weft-waiting-nb; until_true 10 test -e /n/3/run/weft-waiting-nb; ls /n/[13]/etc/*.set-aside; stop 2; start 2; all_work; switches
    `,
  );
  t.match(out, `${ALL_WORK}first\nsecond\n`);
  const aside = [1, 3].map((n) => `/n/${n}/etc/ovnnb_db.db.set-aside\n/n/${n}/etc/ovnsb_db.db.set-aside\n`).join("");
  t.match(out, aside, "before the one replica ends neither of the others has an old database that it could go on with");
  t.match(out, "alone\nfirst\nsecond\nthird\n");
  t.match(out, `${ALL_WORK}first\nfourth\nsecond\nthird\n`, "no member returns to the former cluster");
});

t.test("when the databases' leader hangs or dies the others continue to write", async (t) => {
  const out = await onCentrals(
    t,
    `
    for n in 1 2 3; do start $n; done; all_work; add first && nb --wait=sb sync
    hung=$(leader nb OVN_Northbound); kill -STOP $(cat /n/$hung/run/ovnnb_db.pid); since=$SECONDS
    add second && echo "hung leader: written after about $((SECONDS - since)) s"; kill -CONT $(cat /n/$hung/run/ovnnb_db.pid)
    dead=$(leader sb OVN_Southbound); crash $dead; since=$SECONDS; nb --wait=sb sync && echo "dead central: northd works after about $((SECONDS - since)) s"
    start $dead; all_work; northds; switches
    `,
  );
  t.match(out, /hung leader: written .*\ndead central: northd works .*\n1 works\n2 works\n3 works\n/);
  t.match(out, "1 Status: active\n2 Status: standby\nfirst\nsecond\n");
});

t.test("a northd that cannot find the leaders is replaced, also beside a server that hangs", async (t) => {
  const out = await onCentrals(
    t,
    `
    for n in 1 2 3; do start $n; done; all_work; add first && nb --wait=sb sync; hung=$(leader nb OVN_Northbound)
    replaced() { grep -q 'has not found the databases' /n/$hung/log; }
    kill -STOP $(cat /n/$hung/run/ovnnb_db.pid); on $hung "ip rule add ipproto tcp dport 6649 prohibit"; until_true 40 replaced && echo replaced
    on $hung "ip rule del ipproto tcp dport 6649 prohibit"; add second && echo written
    `,
  );
  t.match(out, `${ALL_WORK}replaced\nwritten\n`);
});

t.test("a northd that does not answer for seconds, as when it computes, is not replaced", async (t) => {
  const out = await onCentrals(
    t,
    `
    for n in 1 2 3; do start $n; done; all_work; add first && nb --wait=sb sync
    for n in 1 2 3; do northd[$n]=$(cat /n/$n/run/ovn-northd.pid); kill -STOP \${northd[$n]}; done; sleep 6; kill -CONT \${northd[@]}; nb --wait=sb sync
    for n in 1 2 3; do [ $(cat /n/$n/run/ovn-northd.pid) = \${northd[$n]} ] && echo "$n has the same northd"; grep -c 'a new one begins' /n/$n/log; done
    `,
  );
  t.match(out, "1 has the same northd\n0\n2 has the same northd\n0\n3 has the same northd\n0\n");
});

t.test("a member whose missing log entries the others have compacted gets all rows as a snapshot", async (t) => {
  const out = await onCentrals(
    t,
    `
    status() { on $1 "ovn-appctl -t /run/ovn/ovnnb_db.ctl cluster/status OVN_Northbound"; }
    # "Log: [FIRST, NEXT]"
    first() { status $1 | sed -n 's/^Log: \\[\\([0-9]*\\), .*/\\1/p'; }
    next() { status $1 | sed -n 's/^Log: \\[[0-9]*, \\([0-9]*\\)\\]/\\1/p'; }
    for n in 1 2 3; do start $n; done; all_work; add first; had=$(next 3); stop 3; add second; add third
    for n in 1 2; do on $n "ovn-appctl -t /run/ovn/ovnnb_db.ctl ovsdb-server/compact OVN_Northbound" && [ $(first $n) -gt $had ] && echo "$n compacted"; done
    start 3; all_work; [ $(first 3) -gt $had ] && echo "a snapshot"
    on 3 "ovn-nbctl --no-leader-only --bare --columns=name list Logical_Switch" | grep . | sort
    `,
  );
  t.match(out, `${ALL_WORK}3 ended with 0\n1 compacted\n2 compacted\n${ALL_WORK}a snapshot\nfirst\nsecond\nthird\n`);
});

t.test(
  "when two of three are lost permanently, the third continues alone and becomes a new cluster of three",
  async (t) => {
    const out = await onCentrals(
      t,
      `
    for n in 1 2 3; do start $n; done; all_work; add first
    crash 1; crash 3; rm -rf /n/1/etc/* /n/3/etc/*; sleep 5; ask_nb ls-add never 2>/dev/null || echo "no majority"
    on 2 "/opt/weft/bin/central-health live" && echo "kubelet leaves it alone"; until_true 20 unready 2 && echo "not ready"
    stop 2; start 2 10.0.0.2; until_true 30 works 2 && echo alone; add second
    start 1; start 3; until_true 10 test -e /n/1/run/weft-waiting-nb; until_true 10 test -e /n/3/run/weft-waiting-nb; stop 2; start 2; all_work; switches
    `,
    );
    t.match(
      out,
      `${ALL_WORK}no majority\nkubelet leaves it alone\nnot ready\n2 ended with 0\nalone\n2 ended with 0\n${ALL_WORK}first\nsecond\n`,
    );
  },
);

t.test("three members start from a backup on one of them, with the uuids of the backup", async (t) => {
  const out = await onCentrals(
    t,
    `
    for n in 1 2 3; do start $n; done; all_work; add first; uuid() { ask_nb --bare --columns=_uuid find Logical_Switch name=first; }; before=$(uuid)
    mkdir -p /n/3/etc/weft-backup; touch /n/3/etc/weft-backup/ovnnb_db-1.db.new; on 3 "/opt/weft/bin/back-up-databases none" 2>/dev/null || echo refused
    for i in 1 2 3; do on 3 "/opt/weft/bin/back-up-databases 2"; sleep 1.1; done; ls /n/3/etc/weft-backup | sed 's/-.*//'; add second
    for n in 1 2 3; do stop $n; rm -f /n/$n/etc/*.db; done
    for db in nb sb; do cp $(ls /n/3/etc/weft-backup/ovn\${db}_db-*.db | tail -n 1) /n/3/etc/ovn\${db}_db.db; done
    for n in 1 2 3; do start $n; done; all_work; switches; [ "$(uuid)" = "$before" ] && echo "same uuid"
    `,
  );
  t.match(out, "refused\novnnb_db\novnnb_db\novnsb_db\novnsb_db\n", "the newest two of each");
  t.match(out, `${ALL_WORK}first\nsame uuid\n`);
});

t.test("one replica becomes three and three become one on the same node, without losing a row", async (t) => {
  const out = await onCentrals(
    t,
    `
    start 1 10.0.0.1; until_true 30 works 1; add first; stop 1; for n in 1 2 3; do start $n; done; all_work; add second
    for n in 1 2 3; do stop $n; done; start 1 10.0.0.1; until_true 30 works 1 && echo alone; switches
    `,
  );
  t.match(out, `${ALL_WORK}1 ended with 0\n2 ended with 0\n3 ended with 0\nalone\nfirst\nsecond\n`);
});

t.test("a server that the cluster has removed joins again, with an empty disk", async (t) => {
  const out = await onCentrals(
    t,
    `
    export WEFT_REJOIN_SECONDS=3; for n in 1 2 3; do start $n; done; all_work; add first
    stop 3; cp -r /n/3/etc /n/3/before; rm /n/3/etc/*.db; start 3; all_work; until_true 10 grep -q 'OVN_Southbound: removing server' /n/3/log
    stop 3; cp /n/3/before/*.db /n/3/etc/; { while :; do start 3; wait \${main[3]}; done; } & kubelet=$!
    for db in nb sb; do until_true 40 grep -q "ovn\${db}_db.db is of a server that" /n/3/log; done; all_work; kill $kubelet
    grep -o 'ovn.b_db.db is of a server that the cluster has removed' /n/3/log; servers 1 nb OVN_Northbound; switches
    `,
  );
  const ended = "3 ended with 0\n";
  const told = "is of a server that the cluster has removed\n";
  t.match(
    out,
    `${ALL_WORK}${ended}${ALL_WORK}${ended}${ALL_WORK}ovnnb_db.db ${told}ovnsb_db.db ${told}${MEMBERS}first\n`,
  );
});

t.test("a member of an earlier cluster that starts first does not block the only replica with data", async (t) => {
  const out = await onCentrals(
    t,
    `
    export WEFT_REJOIN_SECONDS=3; for n in 1 2 3; do start $n; done; all_work; add first; for n in 1 2 3; do stop $n; done
    start 1 10.0.0.1; until_true 30 works 1; add second; stop 1; rm /n/2/etc/*.db
    { while :; do start 3; wait \${main[3]}; done; } & kubelet=$!
    until_true 20 in_node 3 ovn-appctl -t /run/ovn/ovnsb_db.ctl version; start 1; start 2; until_true 60 works 1; all_work; kill $kubelet
    grep -o 'ovn.b_db.db is older than.*database' /n/3/log; switches
    `,
  );
  const told = "is older than another member's standalone database\n";
  t.match(out, `${ALL_WORK}ovnnb_db.db ${told}ovnsb_db.db ${told}first\nsecond\n`);
});

t.test("a server on a node that is no longer a member does not count for the majority", async (t) => {
  const out = await onCentrals(
    t,
    `
    for n in 1 2 3; do start $n; done; all_work; add first; make_node 4; touch /n/4/run/weft-waiting-nb
    for n in 1 2 3; do stop $n; done; for n in 1 2 4; do start $n 10.0.0.1,10.0.0.2,10.0.0.4; done
    for n in 1 2 4; do until_true 30 works $n && echo "$n works"; done; servers 1 nb OVN_Northbound; servers 4 sb OVN_Southbound; switches
    `,
  );
  const at = (port: number): string => ["1", "2", "4"].map((n) => `tcp:[10.0.0.${n}]:${port}\n`).join("");
  t.match(out, `1 works\n2 works\n4 works\n${at(6643)}${at(6644)}first\n`);
});

t.test("backups are made on a schedule, which a restart does not begin anew", async (t) => {
  const out = await onCentrals(
    t,
    `
    copies() { [ "$(ls /n/1/etc/weft-backup/ovn$1_db-*.db 2>/dev/null | wc -l)" = $2 ]; }
    export OVN_BACKUP_HOURS=1 OVN_BACKUPS=2; start 1 10.0.0.1; until_true 30 works 1; until_true 20 copies sb 1 && copies nb 1 && echo "a copy of each at once"
    stop 1; start 1 10.0.0.1; until_true 30 works 1; sleep 2; copies nb 1 && echo "none while the last one is new"
    stop 1; touch -d '2 hours ago' /n/1/etc/weft-backup/*.db; start 1 10.0.0.1; until_true 30 works 1; until_true 20 copies sb 2 && copies nb 2 && echo "one when it is due"
    `,
  );
  t.match(
    out,
    "a copy of each at once\n1 ended with 0\nnone while the last one is new\n1 ended with 0\none when it is due\n",
  );
});

t.test("two simultaneous backups are both complete, and a backup works without a majority too", async (t) => {
  const out = await onCentrals(
    t,
    `
    for n in 1 2 3; do start $n; done; all_work; add first
    for n in 1 2 3; do on $n "/opt/weft/bin/back-up-databases 9" & one=$!; on $n "/opt/weft/bin/back-up-databases 9"; echo "$?"; wait $one; echo "$?"; done
    for n in 1 2 3; do ls -A /n/$n/etc/weft-backup | sed 's/-.*//' | sort -u; done
    crash 1; crash 2; until_true 20 unready 3; rm -r /n/3/etc/weft-backup; on 3 "/opt/weft/bin/back-up-databases 9"; echo "alone: $?"; ls /n/3/etc/weft-backup | sed 's/-.*//'
    `,
  );
  t.match(out, `${ALL_WORK}${"0\n0\n".repeat(3)}${".lock\novnnb_db\novnsb_db\n".repeat(3)}`);
  t.match(out, "alone: 0\novnnb_db\novnsb_db\n");
});

t.test("a member joins again on request, but not if it may have the only data", async (t) => {
  const out = await onCentrals(
    t,
    `
    member() { on $1 "OVN_CENTRALS=10.0.0.1,10.0.0.2,10.0.0.3 POD_IPS=10.0.0.$1 /opt/weft/bin/central-member $2" 2>&1; }
    told() { jq -r '[.nb.row.model, .nb.row.connected, (.nb.cluster | test("Role: ")), .sb.waiting, .nb.bytes > 0, .northd != ""] | map(tostring) | join(" ")'; }
    for n in 1 2 3; do start $n; done; all_work; add first; member 1 status | told
    member 3 rejoin | sed 's/.* weft: //'; wait \${main[3]}; start 3; all_work; ls /n/3/etc/*.set-aside; switches; servers 1 nb OVN_Northbound
    crash 1; member 3 rejoin | sed 's/.* weft: //'; on 3 /opt/weft/bin/central-health && echo unchanged; crash 2; sleep 5; member 3 status | told; member 3 rejoin | sed 's/.* weft: //'
    ls /n/3/etc/*.db
    `,
  );
  t.match(out, `${ALL_WORK}clustered true true false true true\n`);
  t.match(out, /this member starts again and joins the others\n(1|2|3) works/);
  t.match(out, `/n/3/etc/ovnnb_db.db.set-aside\n/n/3/etc/ovnsb_db.db.set-aside\nfirst\n${MEMBERS}`);
  t.match(out, /OVN_Northbound: only 1 of the other members are connected .*nothing was changed\nunchanged\n/);
  t.match(
    out,
    /clustered false true false true true\nOVN_Northbound: no other member is connected .*nothing was changed\n/,
  );
  t.match(out, "/n/3/etc/ovnnb_db.db\n/n/3/etc/ovnsb_db.db\n", "they are where they were");
});
