// SPDX-License-Identifier: Apache-2.0

import { decodeAttributes } from "./attributes.ts";
import { malformed } from "./error.ts";
import type { NetlinkMessage } from "./message.ts";

/** NFNL_SUBSYS_NFTABLES (linux/netfilter/nfnetlink.h): the upper byte of a message's type. */
const NFTABLES = 10;
/** NFT_MSG_NEWGEN (linux/netfilter/nf_tables.h): the end of a transaction, which names no table. */
const NEWGEN = 15;
/** NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE … : what names the table is the first attribute of each kind of message. */
const TABLE = 1;
/** struct nfgenmsg */
const HEADER = 4;

/** NFPROTO_* (linux/netfilter.h) → as nft(8) writes it */
const FAMILIES: Readonly<Record<number, string>> = {
  1: "inet",
  2: "ip",
  3: "arp",
  5: "netdev",
  7: "bridge",
  10: "ip6",
};

/** A table of nftables that was changed: the table itself, a chain, a rule or an element was added, changed or removed. */
export interface NftChange {
  readonly family: string;
  readonly table: string;
}

/** Reads a notification of nftables; `undefined` if it concerns no table. Throws `protocol`. */
export function decodeNftChange({ type, payload }: NetlinkMessage): NftChange | undefined {
  if (type >> 8 !== NFTABLES || (type & 0xff) === NEWGEN) return undefined;
  if (payload.length < HEADER) throw malformed("nftables notification", `${payload.length} bytes`);
  const table = decodeAttributes(payload.subarray(HEADER), "nftables notification").text(TABLE);
  const family = payload.readUInt8(0);
  return table === undefined ? undefined : { family: FAMILIES[family] ?? `${family}`, table };
}
