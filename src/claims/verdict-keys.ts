// SPDX-License-Identifier: Apache-2.0

/** The keys of what is neither a subnet's nor a unit's among the verdicts: no subnet's name holds a slash. */

/** Whether an IPPool is accepted. */
export function poolVerdictKey(pool: string): string {
  return `ippool/${pool}`;
}

/** Why a Vip was given no address. */
export function vipVerdictKey(vip: string): string {
  return `vip/${vip}`;
}

/** Why the multicast querier of a subnet was given no address. */
export function querierVerdictKey(subnet: string): string {
  return `mcast/${subnet}`;
}

/** Why a reservation was not given what it lacks. */
export function reservationVerdictKey(ip: string): string {
  return `ip/${ip}`;
}
