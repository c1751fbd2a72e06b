// SPDX-License-Identifier: Apache-2.0

import { digestOf } from "./composed-name.ts";

/**
 * What the controller, the nodes and weftctl agree on about samples of connections: the number of the set of collectors (ovn-nb(5), `Sample_Collector.set_id`; ovs-vswitchd.conf.db(5),
 * `Flow_Sample_Collector_Set.id`).
 */
export const SAMPLE_SET = 87;

/**
 * The observation point of an ACL (ovn-nb(5), `Sample.metadata`), by the owner id that its row is labelled with: 32 bits of a digest. Among 10,000 ACLs, two have the same with a probability
 * of 1 %: their units share a row then, and a flow has the names of both.
 */
export function samplePoint(aclId: string): number {
  return Number.parseInt(digestOf(["sample", aclId], 8), 16) || 1;
}

/** Connections of one kind: from an address to a port of another one, as one ACL decided. The client's port is not part of the key. */
export interface SampledFlow {
  /** Increases with each change of any flow: a client that has read the flows up to a number requests those after it. */
  readonly sequence: number;
  readonly point: number;
  readonly from: string;
  readonly to: string;
  readonly protocol: number;
  /** 0 where the protocol has none. */
  readonly port: number;
  /** ms since the epoch: when it was sampled first and last. */
  readonly first: number;
  readonly last: number;
  /** Sampled packets: the first ones of an allowed connection, and each packet of a dropped one. */
  readonly packets: number;
}
