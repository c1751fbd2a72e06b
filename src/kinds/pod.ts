// SPDX-License-Identifier: Apache-2.0

import { podClaims } from "../claims/pod.ts";
import { externalAddressesIn } from "../compile/pod/external-addresses.ts";
import { podUnit } from "../compile/pod/pod.ts";
import { addressesOf } from "../facts/annotation-forms.ts";
import type { PodFact } from "../facts/pod.ts";
import { projectPod } from "../facts/project-core.ts";
import { PODS } from "../kube/resources.ts";
import { NAT_COLUMNS, NEXT_HOP_COLUMNS, POLICY_COLUMNS, PORT_COLUMNS, QOS_COLUMNS } from "./columns.ts";
import type { Kind } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly pods: PodFact;
  }
  interface FactIndexes {
    readonly pods: "holder" | "namespace" | "network" | "portVip" | "external";
  }
}

/** core/v1 Pod, except pods on the host's network. A unit is for a holder of addresses, not for a pod. */
export const podKind: Kind<"pods"> = {
  facts: "pods",
  type: PODS,
  project: (object, { keepVmIp }) => projectPod(object, keepVmIp),
  fieldSelector: "spec.hostNetwork=false",
  indexes: {
    holder: (pod) => [pod.holder],
    namespace: (pod) => [pod.namespace],
    // The networks that it names, by `namespace/name`.
    network: (pod) => pod.networks?.map(({ namespace, name }) => `${namespace}/${name}`) ?? [],
    // The additional source addresses of its interfaces.
    portVip: (pod) =>
      Object.entries(pod.annotations).flatMap(([key, text]) => (key.endsWith("/port_vips") ? addressesOf(text) : [])),
    external: externalAddressesIn,
  },
  unit: podUnit,
  rows: {
    Logical_Switch: ["ports", "qos_rules"],
    QoS: QOS_COLUMNS,
    DHCP_Options: ["cidr", "options", "external_ids"],
    Logical_Switch_Port: [...PORT_COLUMNS, "enabled", "port_security", "dhcpv4_options", "dhcpv6_options"],
    Port_Group: ["ports"],
    Logical_Router: ["policies", "nat", "static_routes"],
    NAT: NAT_COLUMNS,
    Logical_Router_Policy: POLICY_COLUMNS,
    Logical_Router_Static_Route: NEXT_HOP_COLUMNS,
  },
  claim: podClaims,
  roots: (old, now) => {
    const holders = [old, now].flatMap((pod) => (pod === undefined ? [] : pod.holder));
    return [...new Set(holders)].map((key) => ({ kind: podUnit.name, key }));
  },
  objectsOf: (facts, holder) => facts.by("pods", "holder", holder).map(({ key }) => key),
  access: {
    verbs: ["get", "patch"],
    why: "Watched; addresses and networks are written to annotations. (`get` is for weftctl.)",
  },
};
