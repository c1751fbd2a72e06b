import { NODE } from "../api/annotations.ts";
import { type Condition, findCondition } from "../api/conditions.ts";
import type { Kube } from "../kube/kube.ts";
import { readLease } from "../kube/lease.ts";
import type { KubeObject } from "../kube/object.ts";
import { NODES, type ResourceType, SUBNETS, VPCS } from "../kube/resources.ts";
import { formatTable } from "./table.ts";

/** The network at a glance, as data. */
export interface NetworkStatus {
  /** The controller that leads, where one says so. */
  readonly leader: string | undefined;
  readonly nodes: readonly {
    readonly name: string;
    readonly join: string;
    readonly chassis: string;
    readonly ready: boolean;
  }[];
  readonly vpcs: readonly { readonly name: string; readonly subnets: readonly string[]; readonly ready: string }[];
  readonly subnets: readonly {
    readonly name: string;
    readonly vpc: string;
    readonly cidr: string;
    readonly using: string;
    readonly available: string;
    readonly ready: string;
  }[];
}

type Loose = Readonly<Record<string, unknown>>;

/** Reads what Weft knows of itself from the API server. */
export async function readStatus(kube: Kube, namespace: string): Promise<NetworkStatus> {
  const lease = await readLease(kube, { namespace, name: "kube-ovn-controller" });
  const [nodes, vpcs, subnets] = await Promise.all([
    everything(kube, NODES),
    everything(kube, VPCS),
    everything(kube, SUBNETS),
  ]);
  return {
    leader: lease?.holder,
    nodes: nodes.map(({ metadata, status }) => {
      const annotations = metadata.annotations ?? {};
      const conditions = ((status as Loose | undefined)?.["conditions"] ?? []) as readonly {
        type: string;
        status: string;
      }[];
      return {
        name: metadata.name,
        join: annotations[NODE.ipAddress] ?? "",
        chassis: annotations[NODE.chassis] ?? "",
        ready: conditions.some(({ type, status: value }) => type === "Ready" && value === "True"),
      };
    }),
    vpcs: vpcs.map((vpc) => ({
      name: vpc.metadata.name,
      subnets: ((vpc.status as Loose | undefined)?.["subnets"] ?? []) as readonly string[],
      ready: readiness(vpc),
    })),
    subnets: subnets.map((subnet) => {
      const spec = (subnet.spec ?? {}) as Loose;
      const status = (subnet.status ?? {}) as Loose;
      const counts = (what: string): string =>
        (["v4", "v6"] as const)
          .filter(
            (family) =>
              status[`${family}usingIPrange`] !== undefined && hasFamily(String(spec["cidrBlock"] ?? ""), family),
          )
          .map((family) => String(status[`${family}${what}IPs`] ?? ""))
          .join(",");
      return {
        name: subnet.metadata.name,
        vpc: String(spec["vpc"] ?? ""),
        cidr: String(spec["cidrBlock"] ?? ""),
        using: counts("using"),
        available: counts("available"),
        ready: readiness(subnet),
      };
    }),
  };
}

/** The status as tables for people. */
export function formatStatus(status: NetworkStatus): string {
  const yes = (value: boolean): string => (value ? "yes" : "NO");
  return [
    `Leader: ${status.leader ?? "none: no controller leads, so nothing is given or changed"}\n`,
    formatTable(
      ["NODE", "READY", "JOIN ADDRESS", "CHASSIS"],
      status.nodes.map(({ name, ready, join, chassis }) => [name, yes(ready), join || "-", chassis || "-"]),
    ),
    formatTable(
      ["VPC", "READY", "SUBNETS"],
      status.vpcs.map(({ name, ready, subnets }) => [name, ready, subnets.join(",") || "-"]),
    ),
    formatTable(
      ["SUBNET", "READY", "VPC", "CIDR", "USED", "FREE"],
      status.subnets.map(({ name, ready, vpc, cidr, using, available }) => [name, ready, vpc, cidr, using, available]),
    ),
  ].join("\n");
}

function hasFamily(cidr: string, family: "v4" | "v6"): boolean {
  return cidr.split(",").some((part) => part.includes(":") === (family === "v6"));
}

/** `yes`, or the reason why not. */
function readiness(object: KubeObject): string {
  const conditions = ((object.status as Loose | undefined)?.["conditions"] ?? []) as readonly Condition[];
  const ready = findCondition(conditions, "Ready");
  if (ready === undefined) return "unknown";
  return ready.status === "True" ? "yes" : `NO: ${ready.reason ?? ""} ${ready.message ?? ""}`.trim();
}

async function everything(kube: Kube, type: ResourceType): Promise<readonly KubeObject[]> {
  const items: KubeObject[] = [];
  let page: { readonly continue?: string } = {};
  do {
    const answer = await kube.list(type, { limit: 500, ...page });
    items.push(...answer.items);
    page = answer.continue ? { continue: answer.continue } : {};
  } while (page.continue !== undefined);
  return items;
}
