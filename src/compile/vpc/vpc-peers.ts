// SPDX-License-Identifier: Apache-2.0

import type { RecordedDerivation } from "../../facts/recorded-derivation.ts";
import { readPeerings } from "./vpc-peerings.ts";

/**
 * The facts `vpcPeers`: the VPCs with which a VPC has an active peering, so that policies and groups include their
 * pods.
 */
export const vpcPeers: RecordedDerivation<"vpcPeers", "vpcs"> = {
  kind: "vpcPeers",
  of: "vpcs",
  derive(reader, vpc) {
    const vpcs = [...new Set(readPeerings(reader, vpc).links.map(({ remoteVpc }) => remoteVpc))].sort();
    return vpcs.length === 0 ? undefined : { key: vpc.key, vpcs };
  },
};
