// SPDX-License-Identifier: Apache-2.0

import { parseDualIp } from "../net/dual.ts";
import { parseMac } from "../net/mac.ts";
import type { ConfigMapObject } from "./project-vpc-dns.ts";

/** The one key of the facts `externalGatewayConfigs` that is read: a ConfigMap of that name in another namespace, which its users may write, has no effect. */
export const EXTERNAL_GATEWAY_CONFIG = "kube-system/ovn-external-gw-config";

/** ConfigMap `ovn-external-gw-config`: the default VPC's connection to its external subnet. */
export interface ExternalGatewayConfigFact {
  readonly key: string;
  /** The default VPC has a port in the external subnet. */
  readonly enabled: boolean;
  /** Names of nodes that may host that port, each once. */
  readonly nodes: readonly string[];
  /** Nodes of pods translate the addresses of annotation `eip`, and not the gateway node. */
  readonly distributed: boolean;
  /** The addresses and the MAC of the port; "" for any. */
  readonly v4: string;
  readonly v6: string;
  readonly mac: string;
  /** The invalid values, as text. */
  readonly problems: readonly string[];
}

/** The fact of the ConfigMap, by Kube-OVN's keys (`pkg/controller/external_gw.go`). */
export function projectExternalGatewayConfig({ metadata, data }: ConfigMapObject): ExternalGatewayConfigFact {
  const value = (key: string): string => data?.[key]?.trim() ?? "";
  const problems: string[] = [];
  const invalid = (key: string, wanted: string): void =>
    void problems.push(`${key} "${value(key).slice(0, 100)}" of ConfigMap ovn-external-gw-config is not ${wanted}`);
  const distributed = value("type") === "distributed";
  if (!["", "centralized", "distributed"].includes(value("type"))) invalid("type", "centralized or distributed");
  // A prefix length is that of the subnet.
  const addresses = value("nic-ip")
    .split(",")
    .map((text) => text.trim().split("/")[0] ?? "");
  const ip = value("nic-ip") === "" ? {} : parseDualIp(addresses.join(","));
  if (ip === undefined) invalid("nic-ip", "an address such as 172.31.77.5/24, or one of each family");
  const mac = value("nic-mac") === "" ? "" : parseMac(value("nic-mac"));
  if (mac === undefined) invalid("nic-mac", "a MAC address");
  const nodes = value("external-gw-nodes")
    .split(",")
    .map((name) => name.trim());
  return {
    key: `${metadata.namespace ?? ""}/${metadata.name}`,
    enabled: value("enable-external-gw") !== "false",
    nodes: distributed ? [] : [...new Set(nodes)].filter((name) => name !== "").sort(),
    distributed,
    v4: ip?.v4?.text ?? "",
    v6: ip?.v6?.text ?? "",
    mac: mac ?? "",
    problems,
  };
}
