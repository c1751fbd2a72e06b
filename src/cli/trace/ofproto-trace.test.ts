// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { flowText, parseOfprotoTrace, type TracedPacket, tunnelFields } from "./ofproto-trace.ts";

const SENT: TracedPacket = {
  keyword: "tcp",
  macs: { source: "00:00:00:00:00:02", destination: "00:00:00:00:00:01" },
  ...{ source: "10.16.0.2", destination: "10.96.0.10", ttl: 64 },
  ports: { source: 45678, destination: 80 },
};

const HEAD = `Flow: tcp,in_port="0a_h",dl_src=00:00:00:00:00:02,dl_dst=00:00:00:00:00:01,nw_src=10.16.0.2,nw_dst=10.96.0.10,nw_ttl=64,tp_src=45678,tp_dst=80,tcp_flags=0

bridge("br-int")
----------------
 0. in_port="0a_h", priority 100, cookie 0x1a2b3c4d
    resubmit(,8)
 8. metadata=0x3, priority 50, cookie 0xbeef
    ct(table=9,zone=NXM_NX_REG13[0..15])
    -> A clone of the packet is forked to recirculate. The forked pipeline will be resumed at table 9.

Final flow: unchanged
Megaflow: recirc_id=0,eth,tcp
Datapath actions: ct(zone=5),recirc(0x7)

===============================================================================
recirc(0x7) - resume conntrack with default ct_state=trk|new (use --ct-next to customize)
Replacing src/dst IP/ports to simulate NAT:
 Initial flow: nw_src=10.16.0.2,tp_src=45678,nw_dst=10.96.0.10,tp_dst=80
 Modified flow: nw_src=10.16.0.2,tp_src=45678,nw_dst=10.16.0.9,tp_dst=8080
===============================================================================

`;
const rest = (
  actions: string,
  tables = "",
  final = "unchanged",
): string => `${HEAD}Flow: recirc_id=0x7,ct_state=new|trk,tcp,in_port="0a_h",dl_src=00:00:00:00:00:02,dl_dst=00:00:00:00:00:01,nw_src=10.16.0.2,nw_dst=10.16.0.9,nw_ttl=64,tp_src=45678,tp_dst=8080,tcp_flags=0

bridge("br-int")
----------------
    thaw
        Resuming from table 9
${tables}
Final flow: ${final}
Megaflow: recirc_id=0x7,tcp
Datapath actions: ${actions}
`;
const result = (actions: string, tables?: string) => parseOfprotoTrace(rest(actions, tables), SENT).result;

t.test("a packet that is delivered leaves by a port, whose name may be quoted", async (t) => {
  t.same(result('"0b_h"'), { kind: "output", ports: ["0b_h"] });
  t.same(result("ct(commit,zone=5,mark=0/0x1,nat(src)),ct_clear,set(ipv4(ttl=63)),ovn0"), {
    kind: "output",
    ports: ["ovn0"],
  });
  t.same(result("push_vlan(vid=7,pcp=0),eth1"), { kind: "output", ports: ["eth1"] });
  t.same(result("check_pkt_len(size=1414,gt(userspace(pid=1,controller(reason=1))),le(set(eth(src=a)),eth2))"), {
    kind: "output",
    ports: ["eth2"],
  });
});

t.test("a tunnel is read as the kernel's datapath and as the one in user space show it", async (t) => {
  const header = { remote: "172.18.0.12", key: "0x4", option: "0x20003" };
  const kernel =
    "set(tunnel(tun_id=0x4,dst=172.18.0.12,ttl=64,tp_dst=6081,geneve({class=0x102,type=0x80,len=4,0x20003}),flags(df|csum|key))),genev_sys_6081";
  const user =
    "clone(tnl_push(tnl_port(genev_sys_6081),header(size=58,type=5,eth(dst=0a:00:00:00:00:02,src=0a:00:00:00:00:01,dl_type=0x0800),ipv4(src=172.18.0.11,dst=172.18.0.12,proto=17,tos=0,ttl=64,frag=0x4000),udp(src=0,dst=6081,csum=0x0),geneve(crit,vni=0x4,options({class=0x102,type=0x80,len=4,0x20003}))),out_port(br-phy)),eth1)";
  for (const actions of [kernel, user]) t.same(result(actions), { kind: "tunnel", header });
  const six = kernel.replace("dst=172.18.0.12", "ipv6_dst=fd00::12");
  t.same(result(six), { kind: "tunnel", header: { ...header, remote: "fd00::12" } });
});

t.test("a dropped packet is dropped by the last flow that it matched", async (t) => {
  const tables = `24. reg0=0x100/0x100,metadata=0x3, priority 2001, cookie 0x5b1c8c6e
    resubmit(,25)
25. reg15=0x2,metadata=0x3, priority 1000, cookie 0xabc
    drop`;
  t.same(result("drop", tables), { kind: "drop", table: 25, cookie: "0xabc" });
  t.same(
    result("drop", " 0. ip,nw_src=10.9.9.9, priority 65535\n    drop"),
    { kind: "drop", table: 0, cookie: undefined },
    "by a flow of another program, without a cookie",
  );
  t.same(result("drop", "25. No match.\n    drop"), {
    ...{ kind: "drop", table: undefined, cookie: undefined },
  });
  const nested = `${tables}\n    71. No match.\n            drop`;
  t.same(result("drop", nested), { kind: "drop", table: 25, cookie: "0xabc" });
  t.same(
    result("userspace(pid=4294963,controller(reason=1,dont_send=0,rule_cookie=0xabc,controller_id=0,max_len=65535))"),
    {
      kind: "controller",
    },
  );
});

t.test("the packet is known as it is after load balancing and routing", async (t) => {
  const final =
    'recirc_id=0x7,tcp,reg15=0x4,in_port="0a_h",dl_src=00:00:00:00:00:aa,dl_dst=00:00:00:00:00:09,nw_src=10.16.0.2,nw_dst=10.16.0.9,nw_ttl=63,tp_src=45678,tp_dst=8080';
  const { packet } = parseOfprotoTrace(rest('"0b_h"', "", final), SENT);
  t.same(packet, {
    keyword: "tcp",
    macs: { source: "00:00:00:00:00:aa", destination: "00:00:00:00:00:09" },
    ...{ source: "10.16.0.2", destination: "10.16.0.9", ttl: 63 },
    ports: { source: 45678, destination: 8080 },
  });
});

t.test("warnings are kept, and an answer without a trace is an error with its first line", async (t) => {
  const text = rest("drop", "    >> native tunnel routing failed\n    >>>> dropping packet <<<<");
  t.same(parseOfprotoTrace(text, SENT).warnings, ["native tunnel routing failed", "dropping packet"]);
  t.throws(() => parseOfprotoTrace("br-int: unknown bridge\n", SENT), { message: "br-int: unknown bridge" });
});

t.test("packets and tunnels are written as fields of ovs-fields(7)", async (t) => {
  t.equal(
    flowText(SENT, ['in_port="x"']),
    'in_port="x",tcp,dl_src=00:00:00:00:00:02,dl_dst=00:00:00:00:00:01,nw_src=10.16.0.2,nw_dst=10.96.0.10,nw_ttl=64,tcp_src=45678,tcp_dst=80',
  );
  t.match(flowText({ ...SENT, keyword: "udp6" }, []), /udp_src=45678,udp_dst=80$/);
  const { ports: _, ...echo } = { ...SENT, keyword: "icmp6", source: "fd00::2", destination: "fd00::9" };
  t.match(flowText(echo, []), /^icmp6,.*ipv6_src=fd00::2,ipv6_dst=fd00::9,nw_ttl=64,icmpv6_type=128,icmpv6_code=0$/);
  t.same(tunnelFields({ local: "fd00::12", remote: "fd00::11", key: "0x4", option: "0x20003" }), [
    ...["tun_id=0x4", "tun_ipv6_src=fd00::11", "tun_ipv6_dst=fd00::12", "tun_metadata0=0x20003"],
  ]);
});
