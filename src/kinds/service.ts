// SPDX-License-Identifier: Apache-2.0

import { serviceClaim } from "../claims/load-balancer-addresses.ts";
import { serviceUnit } from "../compile/service/service.ts";
import { projectEndpointSlice, projectService } from "../facts/project-service.ts";
import { balancedAddresses, type EndpointSliceFact, type ServiceFact, servicePortKey } from "../facts/service.ts";
import { ENDPOINT_SLICES, SERVICES } from "../kube/resources.ts";
import { POLICY_COLUMNS } from "./columns.ts";
import type { Kind } from "./kind.ts";
import { rootsOfRules } from "./switch-lb-rule.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly services: ServiceFact;
    readonly endpointSlices: EndpointSliceFact;
  }
  interface FactIndexes {
    readonly services: "address" | "port" | "rule" | "checked";
    readonly endpointSlices: "service" | "rule";
  }
}

/** core/v1 Service. */
export const serviceKind: Kind<"services"> = {
  facts: "services",
  type: SERVICES,
  project: projectService,
  indexes: {
    address: ({ addresses, vips }) => [...addresses, ...vips],
    port: (service) => (service.leftToOthers ? [] : portsOf(service)),
    rule: ({ rule }) => (rule === "" ? [] : [rule]),
    checked: ({ vips, healthCheck, vpc }) => (vips.length > 0 && healthCheck && vpc !== "" ? [vpc] : []),
  },
  unit: serviceUnit,
  claim: serviceClaim,
  roots: (old, now) => [{ kind: serviceUnit.name, key: (now ?? old)?.key ?? "" }, ...rootsOfRules(old, now)],
  rows: {
    Load_Balancer: [
      ...(["name", "protocol", "vips", "selection_fields", "options", "external_ids"] as const),
      ...(["ip_port_mappings", "health_check"] as const),
    ],
    Load_Balancer_Health_Check: ["vip", "options", "external_ids"],
    Load_Balancer_Group: ["load_balancer"],
    Logical_Router: ["load_balancer", "policies"],
    Logical_Router_Policy: POLICY_COLUMNS,
  },
  access: {
    status: true,
    verbs: ["get", "create", "patch", "delete"],
    why: "Watched; an annotation names the VPC of each; those that request one get an external address. SwitchLBRules create some. One of them is the DNS for domain names in policies. (`get` is for weftctl.)",
  },
};

function portsOf(service: ServiceFact): readonly string[] {
  const addresses = [...balancedAddresses(service), ...service.vips];
  return addresses.flatMap((address) => service.ports.map((port) => servicePortKey(address, port)));
}

/** discovery.k8s.io/v1 EndpointSlice. */
export const endpointSliceKind: Kind<"endpointSlices"> = {
  facts: "endpointSlices",
  type: ENDPOINT_SLICES,
  project: projectEndpointSlice,
  indexes: { service: (slice) => [slice.service], rule: ({ rule }) => (rule === "" ? [] : [rule]) },
  roots: rootsOfRules,
  access: { verbs: ["create", "patch", "delete"], why: "Watched; SwitchLBRules that list endpoints create some." },
};
