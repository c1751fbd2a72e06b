// SPDX-License-Identifier: Apache-2.0

import type { LeaseView } from "../kube/published-lease.ts";
import { parseTime } from "../time/rfc3339.ts";
import type { Overview } from "./contract.ts";

/** Default duration of a Lease, in s, as Weft's. */
const LEASE_S = 60;

/**
 * The leader, or why no controller is considered leading: there is no Lease, it has no holder, or its holder no longer renews it. `now`: ms since 1970.
 */
export function leaderOf(lease: LeaseView | undefined, now: number): Overview["leader"] {
  const none = (why: string): Overview["leader"] => ({
    problem: `${why}, so no address is allocated and no change is applied; see the logs of Deployment kube-ovn-controller`,
  });
  if (lease === undefined) return none("no controller has ever led (there is no Lease kube-ovn-controller)");
  const { holder, renewedAt, durationSeconds = LEASE_S } = lease;
  if (holder === "") return none("the last leader has released its Lease and no other has taken it");
  const silent = Math.floor((now - (parseTime(renewedAt ?? "") ?? Number.NaN)) / 1000);
  // A clock that is behind the controller's makes it negative.
  if (silent <= durationSeconds) return { name: holder };
  const since = Number.isNaN(silent) ? "has never renewed its Lease" : `has not renewed its Lease for ${silent} s`;
  return none(`${holder} ${since}, which should be renewed within ${durationSeconds} s`);
}
