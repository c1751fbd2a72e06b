import { podPortName } from "../api/names.ts";
import { EXTERNAL_ID, type PodPort } from "./ports.ts";

/**
 * Whether a port is an interface of the network that has that provider, and so one that the network's requests may touch. Its logical
 * port's name tells: it ends in the provider, and in the interface's name besides where one pod uses a network twice.
 */
export function isOfProvider({ externalIds: ids }: PodPort, provider: string): boolean {
  const owner = ids[EXTERNAL_ID.machine] ?? ids[EXTERNAL_ID.podName] ?? "";
  const name = podPortName(owner, ids[EXTERNAL_ID.podNamespace] ?? "", provider);
  const ifName = ids[EXTERNAL_ID.ifName];
  const has = ids[EXTERNAL_ID.ifaceId];
  return has === name || (ifName !== undefined && has === `${name}.${ifName}`);
}
