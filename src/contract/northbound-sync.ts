// SPDX-License-Identifier: Apache-2.0

/**
 * Keys of `NB_Global.external_ids`. A client that has changed the northbound database writes a text of its own under the first one; the leader writes it under
 * the second one when every row is as its units want it again. As `ovn-nbctl --wait=hv` does with `nb_cfg`, but upwards: to the controller instead of the nodes.
 */
export const SYNC_REQUEST = "weft-sync-request";
/** The last request that the leader has answered. */
export const SYNC_ANSWER = "weft-sync-answer";
