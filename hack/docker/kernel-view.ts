// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";

/** The interfaces of a node's userspace datapath, by their roles in Open vSwitch's bridges. */
export interface UserspacePorts {
  /** Internal ports, those of the bridges' own names too: tap devices here. */
  readonly internal: ReadonlySet<string>;
  /** Interfaces of the system that are ports of a bridge. */
  readonly system: ReadonlySet<string>;
}

/** What is changed of a link of `ip -json address show`; the rest is kept as it is. */
const links = z.array(z.looseObject({ ifname: z.string().optional(), linkinfo: z.looseObject({}).optional() }));

/** Whether a command is `ip … address show …` with output in JSON. */
export function showsAddresses([program, ...args]: readonly string[]): boolean {
  const options = args.filter((arg) => arg.startsWith("-"));
  const [object, verb] = args.filter((arg) => !arg.startsWith("-"));
  return (
    program === "ip" && options.some((option) => /^-j(son)?$/.test(option)) && object === "address" && verb === "show"
  );
}

/**
 * The output of `ip -json address show` as it would be with Open vSwitch's kernel datapath: an internal port is a device of the kind `openvswitch`, and a system
 * interface in a bridge has the master `ovs-system` (ovs-vswitchd's datapath device). A userspace datapath has taps and no master instead.
 */
export function asKernelDatapath(output: string, { internal, system }: UserspacePorts): string {
  const shown = links.parse(JSON.parse(output)).map((link) => {
    const { ifname = "", linkinfo = {} } = link;
    if (internal.has(ifname)) return { ...link, linkinfo: { ...linkinfo, info_kind: "openvswitch" } };
    return system.has(ifname) ? { ...link, master: "ovs-system" } : link;
  });
  return JSON.stringify(shown);
}
