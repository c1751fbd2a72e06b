// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { centralCertificates } from "../testing/central-certificates.ts";
import { scenario } from "../testing/entry-points.ts";
import { runInImage } from "../testing/shell.ts";

t.test("ovn-central's image allows by TLS what each certificate permits, and nothing without one", async (t) => {
  const script = [
    await centralCertificates(t),
    `as() { local who=$1 program=$2 port=$3; shift 3; "$program" --timeout=5 --db=ssl:127.0.0.1:$port -p /tmp/$who.pem -c /tmp/$who.pem -C /etc/weft-tls/ca.pem "$@" 2>&1; }
    served() { openssl s_client -connect 127.0.0.1:6641 -cert /tmp/controller.pem -key /tmp/controller.pem </dev/null 2>/dev/null | openssl x509 -noout -serial; }
    OVN_TLS=true /opt/weft/bin/start-central >>/tmp/log 2>&1 & main=$!
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
    until_true 10 grep -q 'certificate verify failed' /tmp/log && echo "the refusal is logged"
    kill -TERM $main; wait $main; echo "ended with $?"`,
  ].join("\n");
  const stdout = await runInImage(t, script);
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

t.test("another authority: connections in use stay, and those of the former one are refused in the end", async (t) => {
  const script = [
    await centralCertificates(t),
    `as() { local who=$1; shift; ovn-nbctl --timeout=5 --db=ssl:127.0.0.1:6641 -p /tmp/$who.pem -c /tmp/$who.pem -C /tmp/both.pem "$@" >/dev/null 2>&1; }
    issuer() { openssl s_client -connect 127.0.0.1:6641 -cert /tmp/controller.pem -key /tmp/controller.pem </dev/null 2>/dev/null | openssl x509 -noout -issuer; }
    replace() { cat "\${@:2}" >$1.new; mv $1.new $1; }
    cp /etc/weft-tls/ca.pem /tmp/former.pem; cat /tmp/former.pem /tmp/next-ca.pem >/tmp/both.pem
    OVN_TLS=true /opt/weft/bin/start-central >>/tmp/log 2>&1 & main=$!
    until_true 30 /opt/weft/bin/central-health
    ovsdb-client -p /tmp/controller.pem -c /tmp/controller.pem -C /tmp/both.pem monitor ssl:127.0.0.1:6641 OVN_Northbound Logical_Switch name >/tmp/monitor 2>&1 & client=$!
    sees() { grep -q $1 /tmp/monitor; }
    as controller ls-add first; until_true 10 sees first && echo "a client has connected"
    as next-controller ls-list || echo "the next authority is not trusted yet"
    replace /etc/weft-tls/ca.pem /tmp/both.pem; until_true 10 as next-controller ls-add second && echo "both are trusted"; until_true 10 sees second
    replace /etc/weft-tls/tls.pem /tmp/next-central.pem; until_true 10 eval 'issuer | grep next-central-ca' && as controller ls-list && echo "the next one is in use, and clients of the former one connect"
    replace /etc/weft-tls/ca.pem /tmp/next-ca.pem; until_true 10 eval '! as controller ls-list' && echo "the former one is refused"
    as next-controller ls-add third; until_true 10 sees third && kill -0 $client && ! grep -q 'closed\\|lost' /tmp/monitor && echo "the same client is connected"
    kill $client; kill -TERM $main; wait $main; echo "ended with $?"`,
  ].join("\n");
  t.strictSame((await runInImage(t, script)).trim().split("\n"), [
    "a client has connected",
    "the next authority is not trusted yet",
    "both are trusted",
    "the next one is in use, and clients of the former one connect",
    "the former one is refused",
    "the same client is connected",
    "ended with 0",
  ]);
});

t.test(
  "what the role refuses to a node is logged once a minute, also by a server that has been started again",
  async (t) => {
    const script = [
      await centralCertificates(t),
      `as() { local who=$1; shift; ovn-sbctl --timeout=5 --db=ssl:127.0.0.1:6642 -p /tmp/$who.pem -c /tmp/$who.pem -C /etc/weft-tls/ca.pem "$@" >/dev/null 2>&1; }
    logged() { [ "$(grep -c 'refused by the role' /tmp/log)" -ge $1 ]; }
    OVN_TLS=true /opt/weft/bin/start-central >>/tmp/log 2>&1 & main=$!
    until_true 30 /opt/weft/bin/central-health
    as n1 chassis-add chassis-1 geneve 192.0.2.1
    for i in 1 2 3 4 5; do as n2 chassis-del chassis-1 && echo "deleted"; done; until_true 5 logged 1
    kill -9 $(cat /run/ovn/ovnsb_db.pid); until_true 10 as n2 list Chassis
    as n2 set Chassis chassis-1 hostname='"permission error"' && echo "set"; until_true 5 logged 2
    as controller create Address_Set name=other && echo "added"; until_true 5 logged 3
    sed -n 's/^[-0-9]*T[:0-9]*Z weft: \\(refused by.*:\\)[0-9]*$/\\1/p' /tmp/log
    kill -TERM $main; wait $main; echo "ended with $?"`,
    ].join("\n");
    t.strictSame((await runInImage(t, script)).trim().split("\n"), [
      'refused by the role ovn-controller: row deletion from table "Chassis", to client chassis-2 at ssl:[::ffff:127.0.0.1]:',
      'refused by the role ovn-controller: modification of table "Chassis", to client chassis-2 at ssl:[::ffff:127.0.0.1]:',
      'refused by the role ovn-controller: row insertion into table "Address_Set", to client weft-controller at ssl:[::ffff:127.0.0.1]:',
      "ended with 0",
    ]);
  },
);

t.test(
  "with a node's certificate ports of other nodes can be claimed, and MAC addresses, but not the network's definition",
  async (t) => {
    const script = [
      await centralCertificates(t),
      `as() { local who=$1 program=$2 port=$3; shift 3; "$program" --timeout=5 --db=ssl:127.0.0.1:$port -p /tmp/$who.pem -c /tmp/$who.pem -C /etc/weft-tls/ca.pem "$@" 2>&1; }
    node() { as n2 ovn-sbctl 6642 "$@"; }
    tries() { echo "$1: $(node "\${@:2}" | grep -m1 -o 'RBAC.*prohibit[^.]*' | tr -d '\\\\"' || true)"; }
    OVN_TLS=true /opt/weft/bin/start-central >>/tmp/log 2>&1 & main=$!
    until_true 30 /opt/weft/bin/central-health
    as controller ovn-nbctl 6641 ls-add one -- lsp-add one port -- lsp-set-addresses port "0a:00:00:00:00:01 10.0.0.1" -- pg-add group port -- acl-add group to-lport 1000 ip4 drop -- create Address_Set name=addresses addresses=10.0.0.1 >/dev/null
    for n in 1 2; do as n$n ovn-sbctl 6642 chassis-add chassis-$n geneve 192.0.2.$n; done
    until_true 10 eval 'as n1 ovn-sbctl 6642 lsp-bind port chassis-1 && as n1 ovn-sbctl 6642 get Port_Binding port chassis | grep -- -'
    of() { local chassis; chassis=$(node --bare --columns=chassis list Port_Binding port); node get Chassis $chassis name; }
    echo "the port is on $(of)"; chassis=$(node get Chassis chassis-2 _uuid); path=$(node --bare --columns=_uuid find Datapath_Binding external_ids:name=one)
    tries "port" set Port_Binding port chassis=$chassis up=true; echo "the port is on $(of)"
    tries "MAC binding" create MAC_Binding logical_port=port ip=10.0.0.1 mac='"0a:00:00:00:00:02"' datapath=$path
    tries "FDB" create FDB mac='"0a:00:00:00:00:01"' dp_key=1 port_key=1
    tries "tunnel key" set Port_Binding port tunnel_key=77
    tries "addresses" set Port_Binding port mac=unknown
    tries "datapath" set Datapath_Binding $path tunnel_key=77
    tries "address set" set Address_Set addresses addresses=10.0.0.9
    tries "policies" clear Port_Group $(node --bare --columns=name list Port_Group | head -1) ports
    tries "flows" --all destroy Logical_Flow
    tries "another node's tunnel" set Encap $(node --bare --columns=_uuid find Encap chassis_name=chassis-1) ip=192.0.2.9
    tries "permissions" --all destroy RBAC_Permission
    kill -TERM $main; wait $main; echo "ended with $?"`,
    ].join("\n");
    const refused = (what: string): string => `RBAC rules for client chassis-2 role ovn-controller prohibit ${what}`;
    t.strictSame((await runInImage(t, script)).trim().split("\n"), [
      "the port is on chassis-1",
      "port: ",
      "the port is on chassis-2",
      "MAC binding: ",
      "FDB: ",
      `tunnel key: ${refused("modification of table Port_Binding")}`,
      `addresses: ${refused("modification of table Port_Binding")}`,
      `datapath: ${refused("modification of table Datapath_Binding")}`,
      `address set: ${refused("modification of table Address_Set")}`,
      `policies: ${refused("modification of table Port_Group")}`,
      `flows: ${refused("row deletion from table Logical_Flow")}`,
      `another node's tunnel: ${refused("modification of table Encap")}`,
      `permissions: ${refused("row deletion from table RBAC_Permission")}`,
      "ended with 0",
    ]);
  },
);

t.test("a node that is not told yet that TLS has been turned on tries it, and what it is told again", async (t) => {
  const out = await scenario(
    t,
    `${await centralCertificates(t)}
    remote() { ovs-vsctl get open . external_ids:ovn-remote | grep -qF $1:127.0.0.1:6642; }
    mkdir -p /etc/openvswitch/tls; cp /tmp/n1.pem /etc/openvswitch/tls/tls.pem; cp /etc/weft-tls/ca.pem /etc/openvswitch/tls/; echo chassis-1 >/etc/openvswitch/system-id.conf
    start start-central; central=$main; start start-ovs; ovs=$main; until_true 20 /opt/weft/bin/ovs-health ready && echo "connected without TLS"; controller=$(pid ovn/ovn-controller)
    kill -TERM $central; wait $central; until_true 30 remote ssl && echo "tries TLS"; until_true 30 remote tcp && echo "tries what it is told"
    export OVN_TLS=true; start start-central; central=$main; until_true 60 /opt/weft/bin/ovs-health ready && remote ssl && echo "connected by TLS"
    mkdir -p /etc/weft; echo true >/etc/weft/tls; until_true 10 says start-ovs 'is now ssl:127.0.0.1:6642'
    /opt/weft/bin/ovs-health ready && [ $controller = $(pid ovn/ovn-controller) ] && echo "the same ovn-controller"
    export OVN_TLS=false; kill -TERM $central; wait $central; start start-central; sleep 25; remote ssl && ! /opt/weft/bin/ovs-health ready 2>/dev/null && echo "never without TLS once it is told"
    kill -TERM $main $ovs; wait`,
  );
  t.match(
    out,
    "connected without TLS\ntries TLS\ntries what it is told\nconnected by TLS\nthe same ovn-controller\nnever without TLS once it is told\n",
  );
});
