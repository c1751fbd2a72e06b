// SPDX-License-Identifier: Apache-2.0

import type { ClusterFact, NameCollisionFact, ServedFact } from "./cluster.ts";
import type { ChassisProblemFact } from "./database.ts";
import type { DomainFact, DomainStateFact } from "./domain.ts";
import type { EipVpcFact, ExternalGatewaysFact, NodeEipChassisFact, RouterEndpointsFact } from "./external.ts";
import type { AddressConflictFact, AddressHolderFact } from "./ip.ts";
import type { NodeNameFact, ZoneFact } from "./node.ts";
import type {
  GroupFact,
  GroupVpcsFact,
  NodeSourcesFact,
  PolicyUseFact,
  PortNumbersFact,
  ProfileFact,
  SecurityGroupPresenceFact,
  SecurityGroupVpcsFact,
  VpcPeersFact,
} from "./policy-group.ts";
import type { ProviderNodeFact } from "./provider.ts";
import type { ServiceRangesFact } from "./service-cidr.ts";
import type {
  GatewayGroupFact,
  GatewayLossFact,
  GatewaySplitFact,
  NodeSubnetsFact,
  SubnetFact,
  SubnetGatewaysFact,
  VerdictFact,
} from "./subnet.ts";
import type { BfdPortFact } from "./vpc.ts";

/**
 * The facts: what compile and allocation may read of Kubernetes. Each is a narrow projection of one object, so that other changes (a status, a
 * heartbeat, a foreign annotation) are ignored early. All addresses are canonical strings; all lists keep their order.
 */

/** The derived facts, by the name of their table in the store. */
export interface DerivedFactTypes {
  readonly subnets: SubnetFact;
  readonly verdicts: VerdictFact;
  readonly subnetGateways: SubnetGatewaysFact;
  readonly nodeSubnets: NodeSubnetsFact;
  readonly gatewayGroups: GatewayGroupFact;
  readonly gatewayLosses: GatewayLossFact;
  readonly gatewaySplits: GatewaySplitFact;
  readonly addressConflicts: AddressConflictFact;
  readonly profiles: ProfileFact;
  readonly groups: GroupFact;
  readonly groupVpcs: GroupVpcsFact;
  readonly nodeSources: NodeSourcesFact;
  readonly vpcPeers: VpcPeersFact;
  readonly portNumbers: PortNumbersFact;
  readonly domains: DomainFact;
  readonly domainStates: DomainStateFact;
  readonly served: ServedFact;
  readonly policyUse: PolicyUseFact;
  readonly securityGroupPresence: SecurityGroupPresenceFact;
  readonly securityGroupVpcs: SecurityGroupVpcsFact;
  readonly nameCollisions: NameCollisionFact;
  readonly addressHolders: AddressHolderFact;
  readonly cluster: ClusterFact;
  readonly serviceRanges: ServiceRangesFact;
  readonly chassisProblems: ChassisProblemFact;
  readonly bfdPorts: BfdPortFact;
  readonly externalGateways: ExternalGatewaysFact;
  readonly nodeEipChassis: NodeEipChassisFact;
  readonly eipVpcs: EipVpcFact;
  readonly routerEndpoints: RouterEndpointsFact;
  readonly zones: ZoneFact;
  readonly nodeNames: NodeNameFact;
  readonly providerNodes: ProviderNodeFact;
}

/** Every kind of fact by the name of its table in the store. Those of objects and of rows are added by their kinds (`src/kinds`). */
export interface FactTypes extends DerivedFactTypes {}

/** The names of the indexes of each kind. Kinds of objects and rows add theirs. */
export interface FactIndexes {
  readonly addressHolders: "subnet";
  readonly providerNodes: "network" | "node";
  readonly routerEndpoints: "address";
  readonly subnets:
    | "vpc"
    | "provider"
    | "namespace"
    | "private"
    | "selects"
    | "egressTable"
    | "gatewayNode"
    | "rules"
    | "vlan";
}

/** The name of a kind of fact. */
export type FactKind = keyof FactTypes;

/** The name of a kind of derived fact. */
export type DerivedKind = keyof DerivedFactTypes;

/** The kinds of facts that have these fields. */
export type FactKindWith<Fields> = { [K in FactKind]: FactTypes[K] extends Fields ? K : never }[FactKind];

/** The kinds of facts of objects. */
export type ObjectKind = FactKindWith<{ readonly name: string; readonly uid: string }>;
