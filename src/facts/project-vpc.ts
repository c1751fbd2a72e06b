// SPDX-License-Identifier: Apache-2.0

import { EXTERNAL_BY_CONFIG } from "../api/annotations.ts";
import type { VpcBfdPort, VpcPeering, VpcPolicyRoute, VpcSpec, VpcStaticRoute } from "../api/generated/vpc.ts";
import { isStorable, quoted } from "../api/text.ts";
import { parseIp } from "../net/address.ts";
import { parseCidr } from "../net/cidr.ts";
import { parseDualIp } from "../net/dual.ts";
import { readFields, recordsIn, recordText } from "./accepted.ts";
import { DEFAULT_EXTERNAL_SUBNET } from "./external.ts";
import { customObjectFields, type ProjectedMeta } from "./meta.ts";
import { peeringAsWritten, projectPeerings } from "./project-peering.ts";
import type { PolicyRouteFact, StaticRouteFact, VpcBfdPortFact, VpcFact } from "./vpc.ts";

/** What {@link projectVpc} reads of a Vpc. */
export interface VpcObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: VpcSpec;
}

/** The fact of a Vpc. Invalid entries are left out and reported in `problems`. */
export function projectVpc(vpc: VpcObject, defaultVpc: string): VpcFact {
  const problems: Problem[] = [];
  const accepted = recordText(vpc.metadata.annotations);
  const former = readFormer(accepted);
  const {
    staticRoutes = [],
    policyRoutes = [],
    vpcPeerings = [],
    namespaces = [],
    defaultSubnet = "",
  } = vpc.spec ?? {};
  return {
    ...customObjectFields(vpc.metadata),
    isDefault: vpc.metadata.name === defaultVpc,
    namespaces,
    defaultSubnet,
    staticRoutes: staticRoutes.flatMap((route, i) => projectStaticRoute(route, `spec.staticRoutes[${i}]`, problems)),
    policyRoutes: policyRoutes.flatMap((route, i) => projectPolicyRoute(route, `spec.policyRoutes[${i}]`, problems)),
    peerings: projectPeerings(vpcPeerings, vpc.metadata.name, problems, former.vpcPeerings),
    ...(vpc.spec?.bfdPort?.enabled === true && { bfdPort: projectBfdPort(vpc.spec.bfdPort, problems) }),
    externals: vpc.spec?.enableExternal === true ? externalsOf(vpc.spec) : [],
    unusedExternals: vpc.spec?.enableExternal === true ? [] : (vpc.spec?.extraExternalSubnets ?? []),
    externalByConfig: vpc.metadata.annotations?.[EXTERNAL_BY_CONFIG] !== undefined,
    enableBfd: vpc.spec?.enableBfd === true,
    problems,
    annotated: vpc.metadata.annotations !== undefined,
    accepted,
    records: recordsIn(vpc.metadata.annotations),
    former,
  };
}

/** As in Kube-OVN the default external subnet is used only if no others are named. */
function externalsOf({ extraExternalSubnets = [] }: VpcSpec): readonly string[] {
  return extraExternalSubnets.length === 0 ? [DEFAULT_EXTERNAL_SUBNET] : [...new Set(extraExternalSubnets)].sort();
}

/** The accepted lists in the annotation, in the form of the API. A malformed list is ignored. */
function readFormer(text: string): VpcFact["former"] {
  const fields = readFields(text);
  const listIn = <T>(name: string, project: (entries: readonly Entry[], problems: Problem[]) => T): T | undefined => {
    const entries = entriesOf(fields?.[name]);
    const problems: Problem[] = [];
    const list = entries && project(entries, problems);
    return problems.length > 0 ? undefined : list;
  };
  const staticRoutes = listIn("staticRoutes", (all, problems) =>
    all.flatMap((route) => projectStaticRoute(route, "", problems)),
  );
  const policyRoutes = listIn("policyRoutes", (all, problems) =>
    all.flatMap((route) => projectPolicyRoute(route, "", problems)),
  );
  const vpcPeerings = listIn("vpcPeerings", (all, problems) => projectPeerings(all, "", problems));
  return {
    ...(staticRoutes && { staticRoutes }),
    ...(policyRoutes && { policyRoutes }),
    ...(vpcPeerings && { vpcPeerings }),
  };
}

/** The lists of {@link VpcFact} in the form of the API, for the annotation. */
export function routesAsWritten(of: VpcFact["former"]): Readonly<Record<string, unknown>> {
  const { staticRoutes, policyRoutes, vpcPeerings } = of;
  return {
    ...(policyRoutes && {
      policyRoutes: policyRoutes.map(({ priority, match, action, nextHops }) => ({
        priority,
        match,
        action,
        nextHopIP: nextHops.join(","),
      })),
    }),
    ...(staticRoutes && {
      staticRoutes: staticRoutes.map(({ policy, cidr, nextHopIp, routeTable, ecmpMode, bfdId }) => ({
        policy,
        cidr,
        nextHopIP: nextHopIp,
        routeTable,
        ...(ecmpMode !== "" && { ecmpMode }),
        ...(bfdId !== "" && { bfdId }),
      })),
    }),
    ...(vpcPeerings && { vpcPeerings: vpcPeerings.map(peeringAsWritten) }),
  };
}

type Entry = Partial<VpcStaticRoute> & Partial<VpcPolicyRoute> & Partial<VpcPeering>;

function entriesOf(value: unknown): readonly Entry[] | undefined {
  return Array.isArray(value) && value.every(isEntry) ? value : undefined;
}

function isEntry(value: unknown): value is Entry {
  return (
    typeof value === "object" &&
    value !== null &&
    Object.entries(value).every(([key, field]) => typeof field === (key === "priority" ? "number" : "string"))
  );
}

type Problem = VpcFact["problems"][number];

/** northd's parser accepts octets above 255 and truncates them, so that another address would be used without an error. */
function projectStaticRoute(
  { policy, cidr = "", nextHopIP = "", routeTable = "", ecmpMode = "", bfdId = "" }: Partial<VpcStaticRoute>,
  path: string,
  problems: Problem[],
): readonly StaticRouteFact[] {
  const wrong = (field: string, reason: string, message: string): readonly [] => {
    problems.push({ path: `${path}.${field}`, reason, message });
    return [];
  };
  const prefix = parseIp(cidr) ?? parseCidr(cidr);
  if (prefix === undefined)
    return wrong("cidr", "InvalidCIDR", `${quoted(cidr)} is not a valid CIDR such as 172.31.0.0/16 or address`);
  const hop = parseIp(nextHopIP);
  if (hop === undefined)
    return wrong("nextHopIP", "InvalidNextHop", `${quoted(nextHopIP)} is not a valid address such as 10.0.1.254`);
  if (!isStorable(routeTable))
    return wrong("routeTable", "InvalidRouteTable", `${quoted(routeTable)} has a character that OVN does not allow`);
  const side = policy === "policySrc" ? "policySrc" : "policyDst";
  return [{ path, policy: side, cidr: prefix.text, nextHopIp: hop.text, routeTable, ecmpMode, bfdId }];
}

function projectBfdPort({ ip = "", nodeSelector }: VpcBfdPort, problems: Problem[]): VpcBfdPortFact {
  // A prefix length, which Kube-OVN accepts as well, is ignored: the port is alone in its network.
  const texts = ip.split(",").map((text) => text.trim().split("/")[0] ?? "");
  const read = parseDualIp(texts.join(","));
  if (read === undefined) {
    const what = `${quoted(ip)} is not a valid address such as 10.255.255.255, or one of each family separated by a comma`;
    problems.push({ path: "spec.bfdPort.ip", reason: "InvalidBfdPort", message: `${what}; the port does not exist` });
  }
  const { v4, v6 } = read ?? {};
  return {
    ip: { ...(v4 && { v4: v4.text }), ...(v6 && { v6: v6.text }) },
    ...(nodeSelector !== undefined && { nodeSelector }),
  };
}

const MAX_PRIORITY = 32767;

function projectPolicyRoute(
  { action, match = "", nextHopIP = "", priority = 0 }: Partial<VpcPolicyRoute>,
  path: string,
  problems: Problem[],
): readonly PolicyRouteFact[] {
  const wrong = (field: string, reason: string, message: string): readonly [] => {
    problems.push({ path: `${path}.${field}`, reason, message });
    return [];
  };
  if (action !== "allow" && action !== "drop" && action !== "reroute")
    return wrong("action", "InvalidAction", `${quoted(String(action ?? ""))} must be one of: allow, drop, reroute`);
  if (!Number.isInteger(priority) || priority < 0 || priority > MAX_PRIORITY)
    return wrong("priority", "InvalidPriority", `${priority} is not a whole number from 0 to ${MAX_PRIORITY}`);
  if (action !== "reroute") return [{ path, priority, match, action, nextHops: [] }];
  const hops = nextHopIP.split(",").map((text) => ({ text, ip: parseIp(text.trim()) }));
  const bad = hops.find(({ ip }) => ip === undefined);
  if (bad !== undefined) {
    const what = `${quoted(bad.text)} is not a valid address; it must be an address such as 10.0.1.252, or several separated by commas`;
    return wrong("nextHopIP", "InvalidNextHop", what);
  }
  const found = new Map(hops.flatMap(({ ip }) => (ip === undefined ? [] : [[ip.text, ip.family] as const])));
  if (new Set(found.values()).size > 1)
    return wrong(
      "nextHopIP",
      "InvalidNextHop",
      `${quoted(nextHopIP)} has addresses of both families; create one rule for each family`,
    );
  return [{ path, priority, match, action, nextHops: [...found.keys()] }];
}
