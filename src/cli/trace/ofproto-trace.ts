// SPDX-License-Identifier: Apache-2.0

/** A packet as `ofproto/trace` takes it (ovs-fields(7)), without the port by which it arrives. */
export interface TracedPacket {
  /** Keyword of the protocol: `tcp`, `udp6`, `icmp` … */
  readonly keyword: string;
  readonly macs: { readonly source: string; readonly destination: string };
  readonly source: string;
  readonly destination: string;
  readonly ttl: number;
  /** Of TCP, UDP and SCTP. */
  readonly ports?: { readonly source: number; readonly destination: number };
}

/** What a tunnel carries besides the packet (ovn-architecture(7), "Tunnel Encapsulations"). */
export interface TunnelHeader {
  readonly local: string;
  readonly remote: string;
  /** The network identifier: the logical datapath's key. */
  readonly key: string;
  /** The Geneve option with the keys of the logical ports. */
  readonly option: string;
}

/**
 * What Open vSwitch does with a packet in the end:
 *
 * - `output`: it leaves by the ports of these names
 * - `tunnel`: it is sent to another chassis
 * - `controller`: ovn-controller gets it, which answers, rejects, or resolves the next hop
 * - `drop`: in this table, by the flow with this cookie, which is the beginning of a Logical_Flow's uuid (ovn-sb(5))
 */
export type TraceResult =
  | { readonly kind: "output"; readonly ports: readonly string[] }
  | { readonly kind: "tunnel"; readonly header: Pick<TunnelHeader, "remote" | "key" | "option"> }
  | { readonly kind: "controller" }
  | { readonly kind: "drop"; readonly table: number | undefined; readonly cookie: string | undefined };

/** The answer of `ofproto/trace`. */
export interface OfprotoTrace {
  readonly result: TraceResult;
  /** The packet as it was sent at last. */
  readonly packet: TracedPacket;
  /** How often it is looked up again, after connection tracking for instance, before it is sent. */
  readonly recirculations: number;
  /** What Open vSwitch warns of: lines with `>>`. */
  readonly warnings: readonly string[];
}

const IPV6_KEYWORDS = /6$/;

/** The packet as a flow of `ofproto/trace`; `match`: further fields, `in_port="x"` first. */
export function flowText(packet: TracedPacket, match: readonly string[]): string {
  const { keyword, macs, source, destination, ttl, ports } = packet;
  const six = IPV6_KEYWORDS.test(keyword);
  // `tp_src` is TCP's only.
  const protocol = keyword.replace(IPV6_KEYWORDS, "");
  return [
    ...match,
    keyword,
    `dl_src=${macs.source}`,
    `dl_dst=${macs.destination}`,
    `${six ? "ipv6" : "nw"}_src=${source}`,
    `${six ? "ipv6" : "nw"}_dst=${destination}`,
    `nw_ttl=${ttl}`,
    ...(ports === undefined ? [] : [`${protocol}_src=${ports.source}`, `${protocol}_dst=${ports.destination}`]),
    // An echo request (RFC 792, RFC 4443).
    ...(keyword === "icmp" ? ["icmp_type=8", "icmp_code=0"] : []),
    ...(keyword === "icmp6" ? ["icmpv6_type=128", "icmpv6_code=0"] : []),
  ].join(",");
}

/** How a packet arrives from a tunnel: fields of `ofproto/trace`. */
export function tunnelFields({ local, remote, key, option }: TunnelHeader): readonly string[] {
  const six = remote.includes(":");
  return [
    `tun_id=${key}`,
    `tun_${six ? "ipv6_" : ""}src=${remote}`,
    `tun_${six ? "ipv6_" : ""}dst=${local}`,
    `tun_metadata0=${option}`,
  ];
}

/**
 * Parses the output of `ofproto/trace --names` (ovs-vswitchd(8)), which is one part for each recirculation. Throws for
 * other text. `sent`: the packet that was asked about.
 */
export function parseOfprotoTrace(text: string, sent: TracedPacket): OfprotoTrace {
  const parts = text.split(/^(?=Flow: )/m).filter((part) => part.startsWith("Flow: "));
  if (parts.length === 0) throw new Error(text.trim().split("\n")[0] || "Open vSwitch gave no answer");
  const read = parts.map((part) => ({ part, actions: parseActions(actionsIn(part)) }));
  const sending = read.findLast(({ actions }) => isSent(actions)) ?? read.at(-1);
  const { part = "", actions = [] } = sending ?? {};
  const warnings = [...text.matchAll(/^\s*>>(?:>>)? (.*?)(?: <<<<)?$/gm)].map(([, warning = ""]) => warning);
  const recirculations = recirculationsTo(part, parts);
  return { result: resultOf(actions, part), packet: packetIn(part, sent), recirculations, warnings };
}

/** How many parts lead to a part: each begins with the number that an action of an earlier one has named. */
function recirculationsTo(part: string, parts: readonly string[]): number {
  const id = /^Flow: recirc_id=(0x[0-9a-f]+)/.exec(part)?.[1];
  const before = parts.slice(0, parts.indexOf(part)).findLast((each) => actionsIn(each).includes(`recirc(${id})`));
  return id === undefined || before === undefined ? 0 : recirculationsTo(before, parts) + 1;
}

function actionsIn(part: string): string {
  return /^Datapath actions: (.*)$/m.exec(part)?.[1] ?? "drop";
}

/** An action of the datapath: its name, and the text in its parentheses. */
interface Action {
  readonly name: string;
  readonly argument: string | undefined;
}

/** Splits `a,b(c,d),e` at the commas outside of parentheses. */
function split(text: string): readonly string[] {
  const found: string[] = [];
  let [depth, start] = [0, 0];
  for (let i = 0; i <= text.length; i++) {
    const char = text[i];
    if (char === "(" || char === "{") depth++;
    else if (char === ")" || char === "}") depth--;
    else if ((char === "," && depth === 0) || char === undefined) {
      found.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  return found.filter((each) => each !== "");
}

/** Actions with those inside of `clone` and of `check_pkt_len`, for a packet that is not too large. */
function parseActions(text: string): readonly Action[] {
  return split(text).flatMap((each): readonly Action[] => {
    const [, name = each, argument] = /^([\w.-]+)\((.*)\)$/s.exec(each) ?? [];
    if (name === "clone" && argument !== undefined) return parseActions(argument);
    if (name === "check_pkt_len" && argument !== undefined) {
      const smaller = split(argument).find((branch) => branch.startsWith("le("));
      return parseActions(smaller?.slice("le(".length, -1) ?? "");
    }
    return [{ name, argument }];
  });
}

/** Actions without an argument that are not the name of a port. */
const PLAIN = new Set(["drop", "ct_clear", "pop_vlan", "pop_eth", "pop_nsh", "dec_ttl"]);

function isSent(actions: readonly Action[]): boolean {
  return actions.some((action) => isOutput(action) || tunnelOf(action) !== undefined || isController(action));
}

function isOutput({ name, argument }: Action): boolean {
  return argument === undefined && !PLAIN.has(name);
}

function isController({ name, argument = "" }: Action): boolean {
  return name === "userspace" && argument.includes("controller(");
}

/** Set for the kernel's datapath, pushed by the one in user space. */
function tunnelOf({ name, argument = "" }: Action): (TraceResult & { readonly kind: "tunnel" })["header"] | undefined {
  const pushed = name === "tnl_push";
  if (!pushed && !(name === "set" && argument.startsWith("tunnel("))) return undefined;
  // In user space the outer addresses stand in the pushed IP header.
  const outer = pushed ? /ipv[46]\(src=[^,]+,dst=([^,)]+)/ : /(?:ipv6_)?dst=([^,)]+)/;
  const remote = outer.exec(argument)?.[1];
  const key = (pushed ? /vni=(0x[0-9a-f]+)/ : /tun_id=(0x[0-9a-f]+)/).exec(argument)?.[1];
  const option = /len=\d+,(0x[0-9a-f]+)/.exec(argument)?.[1];
  return remote === undefined || key === undefined ? undefined : { remote, key, option: option ?? "0" };
}

function resultOf(actions: readonly Action[], part: string): TraceResult {
  for (const action of actions) {
    const header = tunnelOf(action);
    if (header !== undefined) return { kind: "tunnel", header };
  }
  // A name that does not begin with a letter is quoted.
  const ports = actions.filter(isOutput).map(({ name }) => name.replaceAll('"', ""));
  if (ports.length > 0) return { kind: "output", ports };
  if (actions.some(isController)) return { kind: "controller" };
  // Tables that are only looked into have no matching flow, and so no priority. A cookie of 0, of another program, is not printed.
  const tables = [...part.matchAll(/^\s*(\d+)\. .*\bpriority \d+(?:, cookie (0x[0-9a-f]+))?(\n\s*drop$)?/gm)];
  const last = tables.findLast(([, , , drops]) => drops !== undefined) ?? tables.at(-1);
  return { kind: "drop", table: last === undefined ? undefined : Number(last[1]), cookie: last?.[2] };
}

/** The packet at the end of a part. */
function packetIn(part: string, sent: TracedPacket): TracedPacket {
  const final = /^Final flow: (?!unchanged)(.*)$/m.exec(part)?.[1] ?? /^Flow: (.*)$/m.exec(part)?.[1] ?? "";
  const field = (...names: readonly string[]): string | undefined => {
    for (const name of names) {
      const found = new RegExp(`(?:^|,)${name}=([^,\\s]+)`).exec(final)?.[1];
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return {
    ...sent,
    macs: { source: field("dl_src") ?? sent.macs.source, destination: field("dl_dst") ?? sent.macs.destination },
    source: field("nw_src", "ipv6_src") ?? sent.source,
    destination: field("nw_dst", "ipv6_dst") ?? sent.destination,
    ttl: Number(field("nw_ttl") ?? sent.ttl),
    ...(sent.ports !== undefined && {
      ports: {
        source: Number(field("tp_src") ?? sent.ports.source),
        destination: Number(field("tp_dst") ?? sent.ports.destination),
      },
    }),
  };
}
