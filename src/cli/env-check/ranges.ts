// SPDX-License-Identifier: Apache-2.0

import { parseIp } from "../../net/address.ts";
import { cidrContains, cidrsOverlap, parseCidr } from "../../net/cidr.ts";
import { isTree, type Values } from "../install/helm-run.ts";
import type { Check } from "./check.ts";
import type { ClusterFacts } from "./facts.ts";

interface Range {
  readonly name: string;
  readonly key: "POD_CIDR" | "SVC_CIDR" | "JOIN_CIDR";
}

const RANGES: readonly Range[] = [
  { name: "pods", key: "POD_CIDR" },
  { name: "Services", key: "SVC_CIDR" },
  { name: "join subnet", key: "JOIN_CIDR" },
];

/**
 * Whether the ranges of pods, Services, the join subnet and the nodes' addresses are disjoint, per family in use.
 * Pure.
 */
export function checkRanges(values: Values, facts: Pick<ClusterFacts, "nodes" | "serviceRanges">): readonly Check[] {
  const family = values["ipFamily"];
  const families = ["v4", "v6"].filter((each) => family === "dual" || family === `ip${each}`);
  return families.flatMap((each) => checkFamily(each === "v4" ? "v4" : "v6", values, facts));
}

function checkFamily(
  family: "v4" | "v6",
  values: Values,
  { nodes, serviceRanges }: Pick<ClusterFacts, "nodes" | "serviceRanges">,
): readonly Check[] {
  const version = `IP${family}`;
  const given = values[`ip${family}`];
  const tree = isTree(given) ? given : {};
  const ranges = RANGES.map((range) => ({ ...range, cidr: parseCidr(String(tree[range.key] ?? "")) }));
  const problems: { readonly found: string; readonly advice: string }[] = [];
  const option = (key: string): string => `--set ip${family}.${key}=…`;
  for (const { name, key, cidr } of ranges) {
    if (cidr?.family !== (family === "v4" ? 4 : 6))
      problems.push({
        found: `${name}: "${String(tree[key])}" is not an ${version} range`,
        advice: `pass ${option(key)}`,
      });
  }
  const known = ranges.flatMap(({ cidr, ...range }) => (cidr === undefined ? [] : [{ ...range, cidr }]));
  for (const [index, one] of known.entries()) {
    for (const other of known.slice(index + 1)) {
      if (!cidrsOverlap(one.cidr, other.cidr)) continue;
      problems.push({
        found: `${one.name} ${one.cidr.text} overlaps with ${other.name} ${other.cidr.text}`,
        advice: `choose other ranges: ${option(one.key)} or ${option(other.key)}`,
      });
    }
    for (const node of nodes) {
      const inside = node.internalIps.filter((address) => {
        const ip = parseIp(address);
        return ip !== undefined && ip.family === one.cidr.family && cidrContains(one.cidr, ip);
      });
      if (inside.length === 0) continue;
      problems.push({
        found: `${one.name} ${one.cidr.text} contains ${inside.join(", ")} of node ${node.name}`,
        advice: `choose another range: ${option(one.key)}`,
      });
    }
  }
  const actual = serviceRanges?.[family];
  const services = known.find(({ key }) => key === "SVC_CIDR");
  if (actual !== undefined && services !== undefined && services.cidr.text !== parseCidr(actual)?.text) {
    problems.push({
      found: `Services: ${services.cidr.text} is configured, but the API server has ${actual}`,
      advice: `pass --set ip${family}.SVC_CIDR=${actual}`,
    });
  }
  if (problems.length > 0)
    return problems.map((problem) => ({ subject: "cluster", name: `${version} ranges`, result: "failed", ...problem }));
  const found = known.map(({ name, cidr }) => `${name} ${cidr.text}`).join(", ");
  if (serviceRanges !== undefined) return [{ subject: "cluster", name: `${version} ranges`, result: "ok", found }];
  return [
    {
      subject: "cluster",
      name: `${version} ranges`,
      result: "warning",
      found: `${found}; this API server does not report the range of Services`,
      advice: `compare ip${family}.SVC_CIDR with --service-cluster-ip-range of kube-apiserver`,
    },
  ];
}
