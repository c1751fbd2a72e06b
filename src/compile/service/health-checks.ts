// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider } from "../../api/annotations.ts";
import type { EndpointSliceFact, ProblemFact, ServiceFact } from "../../facts/service.ts";
import type { FactReader } from "../../facts/store.ts";
import type { WeftEffect } from "../effects.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { makeObject } from "../owned-object.ts";
import { externalIds } from "../rows.ts";
import { isV6 } from "./endpoint-choice.ts";

/** How endpoints are checked: every 5 s; three failures remove an endpoint, two successes restore it (ovn-nb(5) Load_Balancer_Health_Check). */
const CHECK_OPTIONS = { interval: "5", timeout: "5", success_count: "2", failure_count: "3" };

/** The label of a Vip that the controller created as the source of health checks, and deletes once no rule of the VPC needs it. */
export const CHECK_SOURCE_LABEL = "weft.kubeovn.io/health-check-source";

/** How OVN checks the endpoints of a Service's VIPs. */
export interface HealthChecks {
  /** Address of an endpoint → `<port>:<source address>`, as in `ip_port_mappings`. */
  readonly mappings: Readonly<Record<string, string>>;
  /** Subnets that need a source address for health checks. */
  readonly lacking: readonly string[];
  readonly problems: readonly ProblemFact[];
}

const NONE: HealthChecks = { mappings: {}, lacking: [], problems: [] };

/**
 * How the endpoints of a Service's VIPs, also of one that a SwitchLBRule makes, are checked (`Load_Balancer_Health_Check`, from which northd makes Service_Monitor), unless its annotation `service_health_check` is `false`. Endpoints that are addresses of pods on
 * OVN are checked, from the address of the Vip that has the name of their subnet, as in Kube-OVN. The pod's node sends the checks and answers ARP for
 * that address. Other endpoints are not checked.
 */
export function serviceHealth(
  reader: FactReader,
  service: ServiceFact,
  vips: readonly string[],
  slices: readonly EndpointSliceFact[],
  vpc: string,
): HealthChecks {
  // Vips find the rules of their VPC by this annotation, so they are created only after it is written.
  if (vips.length === 0 || !service.healthCheck || service.vpc !== vpc) return NONE;
  const mappings: Record<string, string> = {};
  const lacking = new Set<string>();
  const taken = new Set<string>();
  for (const address of new Set(slices.flatMap(readyAddresses))) {
    for (const ip of reader.by("ips", "address", address)) {
      const subnet = reader.get("subnets", ip.subnet);
      if (ip.holder === "" || subnet?.vpc !== vpc || !isOvnProvider(subnet.provider) || subnet.deleting) continue;
      const vip = reader.get("vips", subnet.name);
      if (vip === undefined) lacking.add(subnet.name);
      else if (vip.subnet !== subnet.name || vip.type !== "") taken.add(subnet.name);
      const source = vip?.given && !vip.deleting && !taken.has(subnet.name) ? vip[isV6(address) ? "v6" : "v4"] : "";
      if (source) mappings[inBrackets(address)] = `${ip.name}:${inBrackets(source)}`;
    }
  }
  const problems = [...taken].map((name) => {
    const message = `Vip "${name}" is not a plain one of subnet "${name}", so the endpoints of that subnet are not checked; rename the Vip`;
    return { path: "health check", reason: "NoCheckSource", message };
  });
  return { mappings, lacking: [...lacking].sort(), problems };
}

/** The effects that create the source addresses of health checks. */
export function makeCheckSources({ lacking }: HealthChecks): readonly WeftEffect[] {
  return lacking.map((name) =>
    makeObject("vips", { metadata: { name, labels: { [CHECK_SOURCE_LABEL]: "true" } }, spec: { subnet: name } }),
  );
}

/** Whether a rule of the subnet's VPC may need the source address of health checks: it stays while such a rule exists, whatever its endpoints are. */
export function needsCheckSource(reader: FactReader, name: string): boolean {
  const subnet = reader.get("subnets", name);
  return subnet !== undefined && !subnet.deleting && reader.by("services", "checked", subnet.vpc).length > 0;
}

/** Adds the health checks of a load balancer's VIPs, all of one protocol that OVN can check. */
export function addHealthChecks(
  build: FragmentBuilder,
  balancerId: string,
  vips: readonly string[],
  { namespace, name: service }: { readonly namespace: string; readonly name: string },
): void {
  for (const vip of vips) {
    build.held("Load_Balancer", balancerId, "health_check", "Load_Balancer_Health_Check", `${balancerId}/${vip}`, {
      vip,
      options: CHECK_OPTIONS,
      external_ids: externalIds({ namespace, service }),
    });
  }
}

function readyAddresses({ endpoints }: EndpointSliceFact): readonly string[] {
  return endpoints.flatMap(({ address, state }) => (state === "ready" ? [address] : []));
}

function inBrackets(address: string): string {
  return isV6(address) ? `[${address}]` : address;
}
