// SPDX-License-Identifier: Apache-2.0

/**
 * Priorities of Kube-OVN's Logical_Router_Policy rows of the default VPC; the highest that matches applies. `u2o…` are of underlay subnets with
 * `u2oInterconnection`. `reply` and `nodePort` are Weft's own.
 * `gateway`: packets of a subnet's pods that leave through gateway nodes, distributed or centralized; `node`: packets to a node's address; `subnet`: packets to a subnet.
 * Policies of a VPC's spec have those that the user gives them.
 */
export const POLICY_PRIORITY = {
  ...{ subnet: 31000, reply: 30600, nodePort: 30500, u2oSame: 30060, u2oGateway: 30050, node: 30000 },
  ...{ u2o: 29400, gateway: 29000 },
} as const;
