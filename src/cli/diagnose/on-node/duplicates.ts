// SPDX-License-Identifier: Apache-2.0

import type { DuplicateView } from "./node-view.ts";
import type { PodPortRow } from "./pod-ports.ts";
import { eachOf, type Run } from "./programs.ts";

interface Probed {
  readonly own: readonly { readonly address: string; readonly interface: string }[];
  readonly pods: readonly PodPortRow[];
}

/** Of more pods on one node only these are probed. */
const MAX_PODS = 200;

/**
 * Asks the link who has an address, from the interface that has it: an answer is another machine's. IPv4: ARP probes with the source 0.0.0.0 (RFC 5227 §2.1.1); IPv6: neighbour
 * solicitations (RFC 4861 §4.3).
 */
export async function probeDuplicates(run: Run, { own, pods }: Probed): Promise<readonly DuplicateView[]> {
  const ofNode = await eachOf(own, ({ address, interface: name }) => probe(run, [], name, address, undefined));
  const ofPods = await eachOf(pods.slice(0, MAX_PODS), async ({ netns, interface: name, pod }) => {
    const inside = ["nsenter", `--net=${netns}`];
    const { stdout } = await run([
      "nsenter",
      `--net=${netns}`,
      "ip",
      "-o",
      "address",
      "show",
      "dev",
      name,
      "scope",
      "global",
    ]);
    const addresses = [...stdout.matchAll(/\binet6? ([0-9a-f.:]+)/g)].map(([, address = ""]) => address);
    return (await Promise.all(addresses.map((address) => probe(run, inside, name, address, pod)))).flat();
  });
  return [...ofNode.flat(), ...ofPods.flat()];
}

async function probe(
  run: Run,
  inside: readonly string[],
  device: string,
  address: string,
  pod: string | undefined,
): Promise<readonly DuplicateView[]> {
  const command = address.includes(":")
    ? ["ndisc6", "-1", "-n", "-q", "-r", "2", "-w", "500", address, device]
    : ["arping", "-0", "-r", "-c", "2", "-W", "0.5", "-w", "2", "-i", device, address];
  const [program = "", ...args] = [...inside, ...command];
  const { stdout } = await run([program, ...args]);
  const mac = /([0-9a-f]{2}(?::[0-9a-f]{2}){5})/i.exec(stdout)?.[1]?.toLowerCase();
  return mac === undefined ? [] : [{ address, mac, ...(pod !== undefined && { pod }) }];
}
