// SPDX-License-Identifier: Apache-2.0

import { type Ip, parseIp } from "../net/address.ts";
import { MAX_LENGTH, readDocument, writeDocument } from "./document.ts";

/** UDP flows that are balanced to a removed endpoint: `address:port` of the Service, and of the endpoint. */
export interface StaleFlow {
  readonly service: string;
  readonly endpoint: string;
}

/** Flows whose endpoints one transaction of the northbound database has removed. */
export interface StaleFlows {
  /** `NB_Global.nb_cfg` of the transaction: a chassis with this value or a higher one balances no new flow to these endpoints. */
  readonly cfg: number;
  readonly flows: readonly StaleFlow[];
}

/** An address and port of an {@link StaleFlow}. */
export interface FlowEnd {
  readonly ip: Ip;
  readonly port: number;
}

/**
 * The text of the Subnet's annotation `weft.kubeovn.io/ended-udp-flows`, with as many of the last entries as fit in a document. The others rely on
 * `ct_flush` alone.
 */
export function encodeStaleFlows(entries: readonly StaleFlows[]): string {
  for (let first = 0; first < entries.length; first++) {
    const text = write(entries.slice(first));
    if (text.length <= MAX_LENGTH) return text;
  }
  const [last] = entries.slice(-1);
  if (last === undefined || last.flows.length === 0) return write([]);
  return encodeStaleFlows([{ cfg: last.cfg, flows: last.flows.slice(0, Math.floor(last.flows.length / 2)) }]);
}

function write(entries: readonly StaleFlows[]): string {
  const ended = entries.map(({ cfg, flows }) => ({
    cfg,
    flows: flows.map(({ service, endpoint }) => `${service} ${endpoint}`),
  }));
  return writeDocument({ ended });
}

/** Parses the output of {@link encodeStaleFlows}; malformed entries are left out. @throws ContractError */
export function decodeStaleFlows(text: string): readonly StaleFlows[] {
  const { ended } = readDocument(text);
  if (!Array.isArray(ended)) return [];
  return ended.flatMap((entry: { readonly cfg?: unknown; readonly flows?: unknown } | null): readonly StaleFlows[] => {
    const { cfg, flows } = entry ?? {};
    if (typeof cfg !== "number" || !Array.isArray(flows)) return [];
    const read = flows.flatMap((flow: unknown): readonly StaleFlow[] => {
      const [service = "", endpoint = "", ...more] = typeof flow === "string" ? flow.split(" ") : [];
      const isFlow = more.length === 0 && parseFlowEnd(service) !== undefined && parseFlowEnd(endpoint) !== undefined;
      return isFlow ? [{ service, endpoint }] : [];
    });
    return [{ cfg, flows: read }];
  });
}

/** Parses OVN's `address:port`, IPv6 addresses in brackets; `undefined` for anything else, such as a template variable. */
export function parseFlowEnd(text: string): FlowEnd | undefined {
  const [, v6, v4, number = ""] = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):([0-9]{1,5})$/i.exec(text) ?? [];
  const ip = parseIp(v6 ?? v4 ?? "");
  const port = Number(number);
  return ip === undefined || port < 1 || port > 65_535 ? undefined : { ip, port };
}
