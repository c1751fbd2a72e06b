// SPDX-License-Identifier: Apache-2.0

import { attachmentKind } from "./attachment.ts";
import { externalGatewayConfigKind } from "./external-config.ts";
import { ipKind } from "./ip.ts";
import { ipPoolKind } from "./ippool.ts";
import type { AnyKind } from "./kind.ts";
import { migrationKind } from "./migration.ts";
import { nameResolverKind } from "./name-resolver.ts";
import { namespaceKind } from "./namespace.ts";
import { nodeKind } from "./node.ts";
import { ovnDnatRuleKind } from "./ovn-dnat-rule.ts";
import { ovnEipKind } from "./ovn-eip.ts";
import { ovnFipKind } from "./ovn-fip.ts";
import { ovnSnatRuleKind } from "./ovn-snat-rule.ts";
import { statefulSetKind, virtualMachineKind } from "./owners.ts";
import { podKind } from "./pod.ts";
import {
  adminNetworkPolicyKind,
  baselineAdminNetworkPolicyKind,
  clusterNetworkPolicyKind,
  networkPolicyKind,
} from "./policies.ts";
import { providerNetworkKind } from "./provider-network.ts";
import { routerLbRuleKind } from "./router-lb-rule.ts";
import { securityGroupKind } from "./security-group.ts";
import { endpointSliceKind, serviceKind } from "./service.ts";
import { serviceCidrKind } from "./service-cidr.ts";
import { subnetKind } from "./subnet.ts";
import { switchLbRuleKind } from "./switch-lb-rule.ts";
import { vipKind } from "./vip.ts";
import { vlanKind } from "./vlan.ts";
import { vpcKind } from "./vpc.ts";
import { dnsDeploymentKind, vpcDnsConfigKind, vpcDnsKind } from "./vpc-dns.ts";

/** Every kind of object. A new kind is one file, listed here. */
export const KINDS: readonly AnyKind[] = [
  vpcKind,
  subnetKind,
  vlanKind,
  providerNetworkKind,
  nodeKind,
  namespaceKind,
  ipPoolKind,
  vipKind,
  ovnEipKind,
  ovnFipKind,
  ovnSnatRuleKind,
  ovnDnatRuleKind,
  externalGatewayConfigKind,
  routerLbRuleKind,
  switchLbRuleKind,
  vpcDnsKind,
  vpcDnsConfigKind,
  dnsDeploymentKind,
  ipKind,
  networkPolicyKind,
  adminNetworkPolicyKind,
  baselineAdminNetworkPolicyKind,
  clusterNetworkPolicyKind,
  securityGroupKind,
  nameResolverKind,
  serviceKind,
  endpointSliceKind,
  serviceCidrKind,
  attachmentKind,
  statefulSetKind,
  virtualMachineKind,
  migrationKind,
  podKind,
];
