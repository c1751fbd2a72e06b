// SPDX-License-Identifier: Apache-2.0

/** The keys of verdicts that belong neither to a subnet nor to a unit: no subnet's name contains a slash. */

/** Whether an IPPool is accepted. */
export function poolVerdictKey(pool: string): string {
  return `ippool/${pool}`;
}

/** Why a Vip has no address. */
export function vipVerdictKey(vip: string): string {
  return `vip/${vip}`;
}

/** The owner in IPAM of a Service's addresses. */
export function serviceOwner(service: string): string {
  return `service/${service}`;
}

/** Why the multicast querier of a subnet has no address. */
export function querierVerdictKey(subnet: string): string {
  return `mcast/${subnet}`;
}

/** Why the router has no address in a subnet with `u2oInterconnection`. */
export function u2oVerdictKey(subnet: string): string {
  return `u2o/${subnet}`;
}

/** Why a reservation could not be completed. */
export function reservationVerdictKey(ip: string): string {
  return `ip/${ip}`;
}
