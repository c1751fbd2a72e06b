// SPDX-License-Identifier: Apache-2.0

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import t from "tap";
import { OVN_SB } from "../../ovsdb/generated/ovn-sb.ts";
import { findOvsTools, type OvsTools } from "../../ovsdb/testing/ovs-tools.ts";
import { type NewRow, TestFolder } from "../../ovsdb/testing/server.ts";
import { readDhcpOptions, readRaConfigs } from "./read-dhcp-options.ts";

// The programs of the machine may lack OVN; the cached root file system has it.
process.env["WEFT_TEST_OVS"] = "cache";

const v4 = (text: string) => readDhcpOptions(text, 4);
const v6 = (text: string) => readDhcpOptions(text, 6);

t.test("values that OVN accepts are kept", async (t) => {
  for (const [text, options] of [
    ["", {}],
    ["lease_time=3600, router=10.0.0.1", { lease_time: "3600", router: "10.0.0.1" }],
    [
      "server_id=169.254.0.254,server_mac=00:00:00:2E:2F:B8",
      { server_id: "169.254.0.254", server_mac: "00:00:00:2e:2f:b8" },
    ],
    ["dns_server={8.8.8.8,1.1.1.1},mtu=1400", { dns_server: "{8.8.8.8, 1.1.1.1}", mtu: "1400" }],
    ['domain_name="example.com",ip_forward_enable=1', { domain_name: '"example.com"', ip_forward_enable: "1" }],
    [
      "classless_static_route={30.0.0.0/24,10.0.0.10, 0.0.0.0/0,10.0.0.1}",
      { classless_static_route: "{30.0.0.0/24, 10.0.0.10, 0.0.0.0/0, 10.0.0.1}" },
    ],
    ["tftp_server=10.0.0.9,T1=1800", { tftp_server: "10.0.0.9", T1: "1800" }],
  ] as const)
    t.same(v4(text), { options, problems: [] }, text);
  t.same(v6("server_id=00:00:00:2E:2F:C5,dns_server=fd00::A,dhcpv6_stateless=true"), {
    options: { server_id: "00:00:00:2e:2f:c5", dns_server: "fd00::a", dhcpv6_stateless: "true" },
    problems: [],
  });
});

t.test("unambiguous values are converted to OVN's form: quotes around strings, braces around lists", async (t) => {
  for (const [text, options] of [
    ["dns_server=8.8.8.8,1.1.1.1,lease_time=60", { dns_server: "{8.8.8.8, 1.1.1.1}", lease_time: "60" }],
    // Kube-OVN's form of a list.
    ["dns_server={8.8.8.8;1.1.1.1}", { dns_server: "{8.8.8.8, 1.1.1.1}" }],
    ["domain_name=example.com,hostname=web", { domain_name: '"example.com"', hostname: '"web"' }],
    ["domain_search_list=a.example,b.example.", { domain_search_list: '"a.example,b.example"' }],
    ['domain_search_list="a.example,b.example"', { domain_search_list: '"a.example,b.example"' }],
    ["tftp_server=boot.example.com", { tftp_server: '"boot.example.com"' }],
    ['bootfile_name="a,b=c"', { bootfile_name: '"a,b=c"' }],
    ["wpad=http://wpad.example/x=1", { wpad: '"http://wpad.example/x=1"' }],
  ] as const)
    t.same(v4(text), { options, problems: [] }, text);
});

t.test(
  "values that OVN would not accept are left out, and reported with a valid example; the rest stays",
  async (t) => {
    for (const [text, ...says] of [
      ["dns=8.8.8.8,mtu=1400", '"dns" is not an option of OVN', "dns_server"],
      ["lease_time=1h,mtu=1400", 'lease_time "1h" must be a whole number from 0 to 4294967295'],
      ["lease_time=4294967296,mtu=1400", "lease_time"],
      ["ip_forward_enable=true,mtu=1400", 'ip_forward_enable "true" must be a whole number from 0 to 1'],
      ["dns_server=10.0.1.300,mtu=1400", 'dns_server "10.0.1.300" is not a valid IPv4 address', "in braces"],
      ["dns_server=fd00::1,mtu=1400", "not a valid IPv4 address"],
      ["dns_server={},mtu=1400", "not a valid IPv4 address"],
      ["server_id={10.0.0.1,10.0.0.2},mtu=1400", "2 addresses; the limit is 1"],
      ["server_mac=01:00:5e:00:00:01,mtu=1400", "is not a valid MAC address"],
      ["netmask=255.255.255.0,mtu=1400", "is set by OVN"],
      ["classless_static_route={30.0.0.0/24},mtu=1400", "is not a valid list of routes"],
      ['domain_name="a,mtu=1400', "is not a string"],
      ["domain_name=a\u0000b,mtu=1400", "is not a string"],
      ["domain_name=\ud800,mtu=1400", "is not a string"],
      [`hostname=${"x".repeat(256)},mtu=1400`, "has 256 bytes; the limit is 255"],
      ["domain_search_list=a_b..c,mtu=1400", "is not a valid list of domain names"],
      ["nonsense", "must be name=value"],
      ["=1,mtu=1400", "must be name=value"],
    ] as const) {
      const { options, problems } = v4(text);
      for (const part of says) t.match(problems[0]?.message, part, text);
      t.match(problems, [{ path: "spec.dhcpV4Options", reason: "InvalidOption" }]);
      t.equal(problems[0]?.message.isWellFormed(), true);
      if (text.endsWith(",mtu=1400") && !text.includes('"')) t.same(options, { mtu: "1400" }, text);
    }
    t.match(v6("dns_server=8.8.8.8").problems, [{ path: "spec.dhcpV6Options", message: /not a valid IPv6 address/ }]);
  },
);

t.test("a DHCPv6 search list is one name without dots, because OVN sends the text as one label", async (t) => {
  t.same(v6("domain_search=lan"), { options: { domain_search: '"lan"' }, problems: [] });
  for (const text of ["domain_search=shop.example", 'domain_search="lan,home"', `domain_search=${"x".repeat(64)}`]) {
    const { options, problems } = v6(`${text},dns_server=fd00::a`);
    t.same(options, { dns_server: "fd00::a" }, text);
    t.match(problems, [{ message: /must be one name without dots.*dnssl/ }], text);
  }
});

t.test("router advertisements have Kube-OVN's defaults, and a mode whatever is specified", async (t) => {
  const defaults = { address_mode: "dhcpv6_stateful", max_interval: "30", min_interval: "5", send_periodic: "true" };
  t.same(readRaConfigs(" "), { options: defaults, problems: [] });
  t.same(
    readRaConfigs(
      "address_mode=slaac, rdnss=FD00::A,dnssl=a.example,b.example,route_info=HIGH-fd00:1::1/48,LOW-fd00:2::/48",
    ),
    {
      options: {
        address_mode: "slaac",
        rdnss: "fd00::a",
        dnssl: "a.example,b.example",
        route_info: "HIGH-fd00:1::/48,LOW-fd00:2::/48",
      },
      problems: [],
    },
  );
  const bad = readRaConfigs('address_mode=dhcp,max_interval=30s,mtu=1000,rdnss={fd00::1,fd00::2},dnssl=",route=1');
  t.same(bad.options, { address_mode: "dhcpv6_stateful" });
  t.match(
    bad.problems.map(({ message }) => message),
    [
      /address_mode "dhcp" must be one of: slaac/,
      /max_interval "30s"/,
      /mtu "1000"/,
      /rdnss .*the limit is 1/,
      /dnssl/,
    ],
  );
});

/** Name → type, as northd passes them to ovn-controller (ovn lib/ovn-l7.h). */
const OVN_TYPES = {
  4: {
    ipv4: "offerip netmask router dns_server log_server lpr_server swap_server policy_filter router_solicitation nis_server ntp_server server_id tftp_server_address broadcast_address netbios_name_server next_server",
    str: "hostname domain_name bootfile_name wpad path_prefix bootfile_name_alt",
    host_id: "tftp_server",
    static_routes: "classless_static_route ms_classless_static_route",
    bool: "ip_forward_enable router_discovery ethernet_encap",
    uint8: "default_ttl tcp_ttl netbios_node_type",
    uint16: "mtu",
    uint32: "lease_time T1 T2 arp_cache_timeout tcp_keepalive_interval",
    domains: "domain_search_list",
  },
  6: {
    mac: "server_id",
    ipv6: "ia_addr dns_server",
    str: "domain_search bootfile_name bootfile_name_alt",
    domain: "fqdn",
  },
} as const;

function typeRows(family: 4 | 6): readonly { readonly name: string; readonly type: string; readonly code: number }[] {
  const all = Object.entries(OVN_TYPES[family]).flatMap(([type, names]) =>
    names.split(" ").map((name) => ({ name, type })),
  );
  return all.map((row, code) => ({ ...row, code }));
}

const trace = ((): readonly string[] | string => {
  const tools = findOvsTools();
  if (typeof tools === "string") return tools;
  const command = tools.command("ovs-appctl");
  const path = join(dirname(command.at(-1) ?? ""), "ovn-trace");
  return existsSync(path) ? [...command.slice(0, -1), path] : `no ovn-trace beside ovs-appctl`;
})();

/** Values that a user may write, valid and invalid, of any type. */
const value = fc.oneof(
  fc.constantFrom("1", "0", "255", "256", "3600", "-1", "1.5", "true", "10.0.0.1", "10.0.1.300", "fd00::1", "fd00::g"),
  fc.constantFrom(
    "{10.0.0.1,10.0.0.2}",
    "10.0.0.1,10.0.0.2",
    "{fd00::1;fd00::2}",
    "{10.0.0.0/8,10.0.0.1}",
    "{",
    "}{",
    "$set",
  ),
  fc.constantFrom(
    "a.example",
    "a.example,b.example",
    '"a b"',
    '"a\\nb"',
    '"',
    '"\\',
    "00:00:5e:00:53:01",
    "^x",
    "/* ",
    "// x",
    "); drop; (",
  ),
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.string({ unit: "grapheme", maxLength: 12 }),
);

/** Every name, and an unknown one; in any order and more than once. */
function lists(family: 4 | 6): fc.Arbitrary<string> {
  const names = [...typeRows(family).map(({ name }) => name), "nonsense", "dhcpv6_stateless"];
  return fc
    .array(
      fc.tuple(fc.constantFrom(...names), value).map((pair) => pair.join("=")),
      { maxLength: 6 },
    )
    .map((all) => all.join(","));
}

const RA_NAMES = ["address_mode", "router_preference", "route_info", "mtu", "rdnss", "dnssl", "max_interval", "x"];
const raLists = fc
  .array(
    fc
      .tuple(fc.constantFrom(...RA_NAMES), fc.oneof(value, fc.constantFrom("slaac", "HIGH", "HIGH-fd00::/48", "1500")))
      .map((pair) => pair.join("=")),
    { maxLength: 6 },
  )
  .map((all) => all.join(","));

/** As northd writes them into an action (northd/northd.c, build_dhcpv4_action and similar functions). */
function dhcpAction(text: string, family: 4 | 6): string {
  const defaults =
    family === 4 ? { server_id: "169.254.0.254", lease_time: "3600" } : { server_id: "00:00:5e:00:53:01" };
  const {
    server_mac: _,
    dhcpv6_stateless: __,
    ...options
  } = { ...defaults, ...readDhcpOptions(text, family).options } as Record<string, string>;
  const list = Object.entries(options).map(([name, one]) => `${name} = ${one}`);
  return family === 4
    ? `reg0[3] = put_dhcp_opts(offerip = 10.16.0.2, ${list.join(", ")}, netmask = 255.255.0.0); next;`
    : `reg0[3] = put_dhcpv6_opts(ia_addr = fd00::2, ${list.join(", ")}); next;`;
}

function raAction(text: string): string {
  const { address_mode, mtu, router_preference, rdnss, dnssl, route_info } = readRaConfigs(text).options;
  const parts = [
    `addr_mode = "${address_mode}", slla = 00:00:5e:00:53:01`,
    ...(mtu === undefined ? [] : [`mtu = ${mtu}`]),
    ...(router_preference === undefined || router_preference === "MEDIUM"
      ? []
      : [`router_preference = "${router_preference}"`]),
    ...(rdnss === undefined ? [] : [`rdnss = ${rdnss}`]),
    ...(dnssl === undefined ? [] : [`dnssl = "${dnssl}"`]),
    ...(route_info === undefined ? [] : [`route_info = "${route_info}"`]),
    "prefix = fd00::/64",
  ];
  return `reg0[5] = put_nd_ra_opts(${parts.join(", ")}); next;`;
}

t.test(
  "whatever is written, OVN can parse the action that northd makes of it",
  { skip: typeof trace === "string" ? trace : false },
  async (t) => {
    const good = [
      ...typeRows(4)
        .map(({ name, type }) => [name, type] as const)
        .flatMap(([name, type]) => {
          const sample = {
            ipv4: "10.0.0.1,10.0.0.2",
            str: "é b",
            host_id: "boot",
            static_routes: "{10.0.0.0/8,10.0.0.1}",
            bool: "1",
            uint8: "7",
            uint16: "1400",
            uint32: "99",
            domains: "a.b,c.d",
          }[type];
          return sample === undefined ? [] : dhcpAction(`${name}=${sample}`, 4);
        }),
      ...[
        "dns_server=fd00::1,fd00::2",
        "domain_search=lan",
        "bootfile_name=x",
        "fqdn=a.example",
        "dhcpv6_stateless=true",
      ].map((text) => dhcpAction(text, 6)),
      ...[
        "address_mode=slaac,mtu=1400,rdnss=fd00::1,dnssl=a.b,c.d,route_info=HIGH-fd00::/48,LOW-fd01::/48,router_preference=LOW",
      ].map(raAction),
    ];
    const sampled = [
      ...fc.sample(lists(4), { numRuns: 400, seed: 4 }).map((text) => dhcpAction(text, 4)),
      ...fc.sample(lists(6), { numRuns: 200, seed: 6 }).map((text) => dhcpAction(text, 6)),
      ...fc.sample(raLists, { numRuns: 200, seed: 5 }).map(raAction),
    ];
    const actions = [...new Set([...good, ...sampled])];
    const folder = await TestFolder.make(findOvsTools() as OvsTools);
    t.teardown(() => folder.close());
    const server = await folder.standalone(OVN_SB);
    const flow = (actions: string, priority: number) => ({
      table: "Logical_Flow",
      row: { logical_datapath: ["named-uuid", "dp"], pipeline: "ingress", table_id: 0, match: "ip", priority, actions },
    });
    const rows: readonly NewRow[] = [
      { table: "Datapath_Binding", name: "dp", row: { tunnel_key: 1, external_ids: ["map", [["name", "ls"]]] } },
      { table: "Port_Binding", row: { logical_port: "web", type: "", datapath: ["named-uuid", "dp"], tunnel_key: 1 } },
      ...typeRows(4).map((row) => ({ table: "DHCP_Options", row })),
      ...typeRows(6).map((row) => ({ table: "DHCPv6_Options", row })),
      // Unparsable actions are reported when flows are loaded, whatever the packet.
      flow("reg0[3] = put_dhcp_opts(offerip = 10.16.0.2, domain_name = example.com); next;", 1),
      ...actions.map((action, i) => flow(action, i + 2)),
    ];
    const answer = await folder.insert(server, OVN_SB.name, rows);
    t.notMatch(answer, /error/);
    const [command = "", ...options] = trace as readonly string[];
    const { stdout, stderr } = await promisify(execFile)(command, [
      ...options,
      ...["-vconsole:warn", `--db=${server.remote}`, "ls", 'inport == "web" && eth.src == 00:00:00:00:00:01 && ip4'],
    ]);
    const complaints = `${stdout}${stderr}`.split("\n").filter((line) => /pars(?:e|ing)/i.test(line));
    t.equal(complaints.length, 1, `only the deliberately wrong one is reported: ${complaints.slice(0, 5).join("\n")}`);
    t.match(complaints[0], /example\.com/);
    t.ok(actions.length > 200, `${actions.length} different actions`);
    await server.stop();
  },
);
