// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { scenario } from "../testing/entry-points.ts";

await t.test("the databases keep their content when a server or northd dies, and over a restart", async (t) => {
  const out = await scenario(
    t,
    `
    start start-central; central=$main; until_true 10 /opt/weft/bin/central-health && echo healthy
    ovn-nbctl --wait=sb ls-add first
    ss -ltnH | awk '{ print $4 }' | grep -E ':664[12]$' | sort
    northd=$(pid ovn/ovn-northd); kill -9 $(pid ovn/ovnnb_db); until_true 10 ovn-nbctl --timeout=1 ls-add second && echo nb is back
    until_true 10 ovn-nbctl --timeout=1 --wait=sb sync; [ $(pid ovn/ovn-northd) != $northd ] && echo another northd serves it
    kill -9 $(pid ovn/ovn-northd); until_true 10 ovn-nbctl --timeout=1 --wait=sb sync && echo northd is back
    stop; pgrep -c 'ovsdb-server|ovn-northd'
    start start-central; until_true 10 /opt/weft/bin/central-health; ovn-nbctl show | awk '{ print $3 }'; stop
    `,
  );
  t.match(out, /healthy\n\*:6641\n\*:6642\nnb is back\nanother northd serves it\nnorthd is back\nended with 0\n0\n/);
  t.match(out, /\(first\)\n\(second\)\n|\(second\)\n\(first\)\n/);
});

await t.test("an unreadable database is replaced by an empty one, and a raft member's data is kept", async (t) => {
  const out = await scenario(
    t,
    `
    mkdir -p /etc/ovn; head -c 5000 /dev/urandom >/etc/ovn/ovnsb_db.db
    ovsdb-tool create-cluster /etc/ovn/ovnnb_db.db /usr/share/ovn/ovn-nb.ovsschema tcp:127.0.0.1:6643
    ovsdb-server --detach --pidfile=/tmp/raft.pid --unixctl=/tmp/raft.ctl --remote=punix:/tmp/raft.sock /etc/ovn/ovnnb_db.db
    until_true 10 ovn-nbctl --db=unix:/tmp/raft.sock ls-add taken-over; ovs-appctl -t /tmp/raft.ctl exit; until_true 5 test ! -e /tmp/raft.pid
    start start-central; until_true 10 /opt/weft/bin/central-health && echo healthy
    ovn-nbctl show; ls /etc/ovn; stop
    `,
  );
  t.match(out, /healthy\nswitch .* \(taken-over\)/);
  t.match(out, /ovnnb_db\.db\.clustered[\s\S]*ovnsb_db\.db\.unreadable/);
});

await t.test("a daemon that dies repeatedly ends the container with an error", async (t) => {
  const out = await scenario(
    t,
    `
    start start-central; until_true 10 /opt/weft/bin/central-health
    for name in ovn-northd ovn-northd ovn-northd ovnnb_db ovnsb_db; do
      old=$(pid ovn/$name); kill -9 $old; until_true 10 sh -c "test $(echo '$(cat /run/ovn/'$name'.pid)') != $old"
    done
    until_true 10 ovn-nbctl --timeout=1 --wait=sb sync; kill -0 $main && echo five ends of three daemons are no reason
    kill -9 $(pid ovn/ovn-northd); wait $main; echo "ended with $?"; says start-central 'ovn-northd has ended, for the fourth time within 30 s'
    pgrep -c 'ovsdb-server|ovn-northd'
    `,
  );
  t.match(
    out,
    /five ends of three daemons are no reason\nended with 1\nsaid: ovn-northd has ended, for the fourth time within 30 s\n0\n/,
  );
});

await t.test(
  "a program beside the daemons is started again when it is killed, and a daemon that is stopped has ended afterwards",
  async (t) => {
    const out = await scenario(
      t,
      `
    export OVN_BACKUP_HOURS=24; start start-central; until_true 20 pgrep -f '^bash /opt/weft/bin/back-up'; old=$(pgrep -f '^bash /opt/weft/bin/back-up')
    another() { local now=$(pgrep -f '^bash /opt/weft/bin/back-up'); [ -n "$now" ] && [ "$now" != "$old" ]; }
    kill -9 $old; until_true 20 another && echo another; says start-central 'back-up-databases has ended; starting it again'
    bash -c '. /opt/weft/bin/common.sh; sleep 2 & slow=$!; echo $slow >/tmp/slow.pid; launched[/tmp/slow.pid]=sleep; stop_daemon sleep /tmp/slow.pid rm /tmp/slow.pid; kill -0 $slow 2>/dev/null || echo it has ended'
    `,
    );
    t.match(out, "another\nsaid: back-up-databases has ended; starting it again\nit has ended\n");
  },
);

await t.test(
  "the userspace datapath takes over the tunnel interface's addresses and routes, and restores them",
  async (t) => {
    const out = await scenario(
      t,
      `
    show() { echo "$1"; ip -br address show dev $2 | tr -s ' ' '\\n' | grep -E '^(172|fd00)'; ip route show dev $2; ip -6 route show dev $2 | grep fd99; }
    start start-central; central=$main; start start-ovs; until_true 15 /opt/weft/bin/ovs-health ready && echo ready
    ovn-sbctl --bare --columns=ip find encap type=geneve; ovs-vsctl get bridge br-int datapath_type
    show taken br-phy; ethtool -k br-phy | grep tx-checksumming; nft list chain netdev weft-tunnel ingress | grep -o 'device.*'
    identity=$(cat /etc/openvswitch/system-id.conf)
    stop; show given-back eth1; pgrep -c 'ovs-vswitchd|ovn-controller'; nft list tables
    start start-ovs; until_true 15 /opt/weft/bin/ovs-health ready && echo ready again
    show taken br-phy; [ "$identity" = "$(ovs-vsctl get open . external_ids:system-id | tr -d '"')" ] && echo same chassis
    ovn-sbctl --bare --columns=name list chassis | grep -c .
    stop
    `,
    );
    const moved =
      "172.19.0.11/24\nfd00:19::11/64\n10.99.0.0/16 via 172.19.0.1 \n172.19.0.0/24 proto kernel scope link src 172.19.0.11 \nfd99::/64 via fd00:19::1 metric 1024 pref medium\n";
    t.match(
      out,
      `ready\n172.19.0.11\nnetdev\ntaken\n${moved}tx-checksumming: off\ndevice "eth1" priority filter; policy drop;\nended with 0\n`,
    );
    t.match(out, `given-back\n${moved}0\nready again\ntaken\n${moved}same chassis\n1\nended with 0\n`);
  },
);

await t.test(
  "a restart keeps the tunnel addresses that the daemon derived from the same address, and no others",
  async (t) => {
    const out = await scenario(
      t,
      `
    set_ids() { ovs-vsctl set open . external_ids:ovn-encap-ip='"172.19.0.11,192.0.2.1"' external_ids:weft-encap-base='"'$1'"'; }
    show() { ovs-vsctl get open . external_ids:ovn-encap-ip; grep ovn-encap-ip= /run/openvswitch/weft-settings; }
    start start-central; central=$main
    for base in 172.19.0.11 172.19.0.12; do
      start start-ovs; until_true 15 /opt/weft/bin/ovs-health ready; set_ids $base; stop
      start start-ovs; until_true 15 /opt/weft/bin/ovs-health ready; show; stop
    done
    `,
    );
    t.match(out, /"172\.19\.0\.11,192\.0\.2\.1"\novn-encap-ip=172\.19\.0\.11\n/, "the same address");
    t.match(out, /"172\.19\.0\.11"\novn-encap-ip=172\.19\.0\.11\n/, "another address");
  },
);

await t.test(
  "a process that dies is restarted alone, and the southbound database moves without a restart",
  async (t) => {
    const out = await scenario(
      t,
      `
    start start-central; central=$main; start start-ovs; until_true 15 /opt/weft/bin/ovs-health ready && echo ready
    ovs-ofctl del-flows br-int; /opt/weft/bin/ovs-health ready 2>&1
    controller=$(pid ovn/ovn-controller); db=$(pid openvswitch/ovsdb-server)
    kill -9 $(pid openvswitch/ovs-vswitchd); says_again() { says start-ovs 'ovs-vswitchd has ended'; }; until_true 5 says_again
    until_true 15 /opt/weft/bin/ovs-health ready && echo switch is back
    ip -br address show dev br-phy | grep -o '172.19.0.11/24'
    [ $controller = $(pid ovn/ovn-controller) ] && [ $db = $(pid openvswitch/ovsdb-server) ] && echo neighbours live
    switch=$(pid openvswitch/ovs-vswitchd); kill -9 $controller; until_true 5 says start-ovs 'ovn-controller has ended'
    until_true 15 /opt/weft/bin/ovs-health ready && [ $switch = $(pid openvswitch/ovs-vswitchd) ] && echo controller is back
    kill -9 $db; until_true 5 says start-ovs 'ovsdb-server has ended'
    until_true 15 /opt/weft/bin/ovs-health ready && [ $switch = $(pid openvswitch/ovs-vswitchd) ] && echo database is back
    controller=$(pid ovn/ovn-controller); mkdir -p /etc/weft; echo tcp:127.0.0.2:6642,tcp:127.0.0.1:6642 >/etc/weft/sb-address
    until_true 10 says start-ovs 'database is now'; until_true 5 grep -q ovn-remote=tcp:127.0.0.2 /run/openvswitch/weft-settings; moved() { ovs-vsctl get open . external_ids:ovn-remote | grep -q 127.0.0.2; }; until_true 5 moved; ovs-vsctl get open . external_ids:ovn-remote
    until_true 15 /opt/weft/bin/ovs-health ready && [ $controller = $(pid ovn/ovn-controller) ] && echo same controller
    : >/etc/weft/sb-address; echo true >/etc/weft/tls; secured() { ovs-vsctl get open . external_ids:ovn-remote | grep -qF ssl:127.0.0.1:6642; }; until_true 15 secured && [ $controller = $(pid ovn/ovn-controller) ] && echo secured
    stop
    `,
    );
    t.match(
      out,
      'ready\nbr-int has no flows yet\nswitch is back\n172.19.0.11/24\nneighbours live\ncontroller is back\ndatabase is back\n"tcp:127.0.0.2:6642,tcp:127.0.0.1:6642"\nsame controller\nsecured\nended with 0\n',
    );
  },
);

await t.test("no daemon waits for a log that is not read; it stays small, and is printed to its end", async (t) => {
  const out = await scenario(
    t,
    `
    log=/run/weft-log/ovs.log; mkfifo /tmp/container; exec 7<>/tmp/container
    start start-central; central=$main; until_true 15 /opt/weft/bin/central-health
    /opt/weft/bin/start-ovs >/tmp/container 2>&1 & main=$!
    until_true 15 /opt/weft/bin/ovs-health ready && echo ready
    for part in ovsdb-server ovs-vswitchd; do
      talk() { timeout 5 ovs-appctl -t $part "$@" >/dev/null || echo "$part does not answer"; }
      talk vlog/set unixctl:file:dbg; talk vlog/disable-rate-limit unixctl
      for i in {1..100}; do talk list-commands; done; talk vlog/set unixctl:file:info
    done
    [ $(stat -c %s $log) -gt 500000 ] && echo "they have logged more than a pipe holds"
    ovn-nbctl --wait=hv --timeout=10 ls-add new && echo the node follows
    cat <&7 >/tmp/read & until_true 10 grep -q 'Open vSwitch and ovn-controller run' /tmp/read && echo it is printed later
    head -c 5000000 /dev/zero >>$log; shorter() { [ $(stat -c %s $log) -lt 100000 ]; }; until_true 20 shorter && echo emptied
    stop; until_true 5 grep -qx '.* weft: ended' /tmp/read && echo printed to the end
    `,
  );
  t.equal(
    out,
    "ready\nthey have logged more than a pipe holds\nthe node follows\nit is printed later\nemptied\nended with 0\nprinted to the end\n",
  );
});

await t.test("after a crash of all processes the addresses are restored", async (t) => {
  const out = await scenario(
    t,
    `
    start start-central; central=$main; start start-ovs; until_true 15 /opt/weft/bin/ovs-health ready
    kill -9 $main $(pid openvswitch/ovs-vswitchd) $(pid openvswitch/ovsdb-server) $(pid ovn/ovn-controller); wait $main
    ip link delete br-phy; start start-ovs; until_true 15 /opt/weft/bin/ovs-health ready && echo ready again
    ip -br address show dev br-phy | grep -o '172.19.0.11/24'; ip route show dev br-phy | grep -o '10.99.0.0/16'
    ip link add eth9 type veth peer name far9; ovs-vsctl add-br br-net -- set Bridge br-net datapath_type=netdev external_ids:weft-uplink=x -- add-port br-net eth9
    (. /opt/weft/bin/tunnel.sh; uplink_device eth9; uplink_device eth1; uplink_device lo); ovs-vsctl del-br br-net; stop
    `,
  );
  t.match(out, "ready again\n172.19.0.11/24\n10.99.0.0/16\nbr-net\neth1\nlo\nended with 0\n");
});

await t.test("tunnels use the node's own address if no interface is named, also over IPv6", async (t) => {
  const out = await scenario(
    t,
    `
    start start-central; central=$main
    TUNNEL_INTERFACE= NODE_IP=fd00:19::11 start start-ovs; until_true 15 /opt/weft/bin/ovs-health ready
    ovn-sbctl --bare --columns=ip find encap type=geneve; ip -br address show dev br-phy | grep -o fd00:19::11/64
    says start-ovs "eth1 carries the node's own traffic too"
    stop; TUNNEL_INTERFACE= NODE_IP=fd00:19::11 start start-ovs; until_true 15 /opt/weft/bin/ovs-health ready && echo again; stop
    `,
  );
  t.match(
    out,
    "fd00:19::11\nfd00:19::11/64\nsaid: eth1 carries the node's own traffic too\nended with 0\nagain\nended with 0\n",
  );
});

await t.test("unusable settings are reported, and processes of others are not stopped", async (t) => {
  const out = await scenario(
    t,
    `
    TUNNEL_INTERFACE=eth7,eth8 /opt/weft/bin/start-ovs 2>&1 | grep -o 'this node has none .*'; pgrep -c ovsdb-server
    OVN_SB_SERVICE_HOST= /opt/weft/bin/start-ovs 2>&1 | grep -o 'OVN_SB_SERVICE_HOST is not set'
    DATAPATH=dpdk /opt/weft/bin/start-ovs 2>&1 | grep -o 'DATAPATH is .*'
    mkdir -p /run/openvswitch; ovsdb-tool create /tmp/other.db /usr/share/openvswitch/vswitch.ovsschema
    ovsdb-server --detach --pidfile=/run/openvswitch/ovsdb-server.pid --remote=punix:/run/openvswitch/db.sock /tmp/other.db
    WEFT_PREDECESSOR_TIMEOUT=1 /opt/weft/bin/start-ovs 2>&1 | grep -o 'still runs on this node.*'; pgrep -c ovsdb-server
    `,
  );
  t.match(
    out,
    "this node has none of the tunnel interfaces eth7,eth8\n0\nOVN_SB_SERVICE_HOST is not set\n" +
      "DATAPATH is auto, kernel or userspace, not dpdk\nstill runs on this node; is another Open vSwitch installed?\n1\n",
  );
});

await t.test("the shim is replaced atomically, and a node's own plugins are kept", async (t) => {
  const out = await scenario(
    t,
    `
    mkdir -p /usr/lib/cni; echo portmap >/usr/lib/cni/portmap; echo theirs >/usr/lib/cni/loopback
    echo one >/opt/weft/bin/weft-cni; mkdir -p /opt/cni/bin; echo own >/opt/cni/bin/loopback; chmod +x /opt/cni/bin/loopback
    touch /opt/cni/bin/.kube-ovn.abcdef; CNI_BIN_DIR=/opt/cni/bin /opt/weft/bin/install-cni; exec 5</opt/cni/bin/kube-ovn
    /opt/weft/bin/install-cni; echo nothing to do
    echo two >/opt/weft/bin/weft-cni; /opt/weft/bin/install-cni; cat /opt/cni/bin/kube-ovn - <&5; cat /opt/cni/bin/loopback
    stat -c %a /opt/cni/bin/kube-ovn; ls -A /opt/cni/bin | tr '\\n' ' '
    `,
  );
  t.match(
    out,
    "installed /opt/cni/bin/kube-ovn\ninstalled /opt/cni/bin/portmap\nnothing to do\ninstalled /opt/cni/bin/kube-ovn\ntwo\none\nown\n755\n.weft-installed kube-ovn loopback portmap ",
  );
});

await t.test("a BFD session has the chassis that hosts its port, also if that is bound later", async (t) => {
  const out = await scenario(
    t,
    `
    start start-central; central=$main; start start-ovs; until_true 15 /opt/weft/bin/ovs-health ready && echo ready
    /opt/weft/bin/bfd-chassis /run/ovn/ovnsb_db.sock >/tmp/bfd.log 2>&1 &
    chassis=$(ovs-vsctl get open . external_ids:system-id | tr -d '"')
    ovn-nbctl ls-add out -- lr-add r -- lrp-add r r-out 02:00:00:00:00:01 192.0.2.1/24 -- lsp-add out out-r -- lsp-set-type out-r router \\
      -- lsp-set-addresses out-r router -- lsp-set-options out-r router-port=r-out \\
      -- --id=@b create bfd logical_port=r-out dst_ip=192.0.2.2 -- --id=@s create logical_router_static_route ip_prefix=0.0.0.0/0 nexthop=192.0.2.2 output_port=r-out bfd=@b \\
      -- add logical_router r static_routes @s >/dev/null
    name() { ovn-sbctl --bare --columns=chassis_name list bfd; }
    until_true 10 sh -c 'ovn-sbctl --bare --columns=dst_ip list bfd | grep -q .'; echo "at first: '$(name)'"
    ovn-nbctl lrp-set-gateway-chassis r-out $chassis 10
    named() { [ "$(name)" = "$chassis" ]; }
    until_true 10 named && echo named
    started() { [ "$(ovn-sbctl --bare --columns=status list bfd)" = down ]; }
    until_true 10 started && echo 'and not admin_down'
    kill -9 $(pid ovn/ovnsb_db); until_true 15 ovn-nbctl --timeout=1 --wait=sb sync; ovn-sbctl set bfd $(ovn-sbctl --bare --columns=_uuid list bfd) chassis_name=another
    until_true 10 named && echo 'named again'
    # It logs what it has done once it has the server's answer.
    logged() { [ "$(grep -c 'have the chassis' /tmp/bfd.log)" = 2 ]; }
    until_true 10 logged && echo 'and logged twice'
    `,
  );
  t.match(out, /ready\nat first: ''\nnamed\nand not admin_down\nnamed again\nand logged twice\n/);
});
