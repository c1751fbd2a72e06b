// SPDX-License-Identifier: Apache-2.0

import type { RouteSpec } from "../../../src/netlink/routes.ts";
import type { RuleSpec } from "../../../src/netlink/rules.ts";
import type { Machine } from "./machine.ts";

/** Another program's `protocol` of routes and rules (bird's, in rt_protos(5)). */
const BIRD = 12;
/** The next hop of the node's own network. */
const ROUTER = "172.18.0.1";
const UPLINK = "eth0";

/** Everything on a node that is not ours: its own connectivity, and objects of other programs. */
export class Foreign {
  readonly #machine: Machine;
  /** Description → whether it exists. */
  readonly #things = new Map<string, () => boolean>();
  #serial = 0;

  /** The node has an uplink with these addresses and a default route; a name server answers on a dummy interface. */
  constructor(machine: Machine, addresses: readonly string[]) {
    this.#machine = machine;
    const { kernel } = machine;
    this.addLink("lo", "dummy");
    this.addLink(UPLINK, "veth");
    this.addLink("nodelocaldns", "dummy");
    for (const address of addresses) this.addAddress(UPLINK, address, address.includes(":") ? 64 : 16);
    this.addAddress("nodelocaldns", "169.254.20.10", 32);
    this.addRoute({ destination: "0.0.0.0/0", gateway: ROUTER, device: kernel.link(UPLINK)?.index ?? 0 });
    this.addTable("ip kube-proxy");
  }

  /** The objects that no longer exist; each reported once. */
  missing(): readonly string[] {
    const gone = [...this.#things].filter(([, isThere]) => !isThere()).map(([what]) => what);
    for (const what of gone) this.#things.delete(what);
    return gone;
  }

  addLink(name: string, kind: string): void {
    const { kernel } = this.#machine;
    if (kernel.link(name) !== undefined) return;
    kernel.createLink({ name, kind, up: true });
    this.#things.set(`link ${name}`, () => kernel.link(name) !== undefined);
  }

  addAddress(link: string, address: string, prefix: number): void {
    const { kernel } = this.#machine;
    const index = kernel.link(link)?.index;
    if (index === undefined) return;
    kernel.setAddress({ index, address, prefix });
    this.#things.set(`address ${address} of ${link}`, () =>
      kernel.addresses({ index }).some((one) => one.address === address && one.prefix === prefix),
    );
  }

  addRoute(spec: RouteSpec): void {
    const { kernel } = this.#machine;
    const route = { ...spec, protocol: BIRD };
    if (kernel.routes({}).some((one) => one.destination === spec.destination && one.table === (spec.table ?? 254)))
      return;
    kernel.addRoute(route);
    this.#things.set(`route ${spec.destination} of table ${spec.table ?? 254}`, () =>
      kernel
        .routes({ protocol: BIRD })
        .some(
          (one) => one.destination === spec.destination && one.gateway === spec.gateway && one.device === spec.device,
        ),
    );
  }

  addRule(spec: RuleSpec): void {
    const { kernel } = this.#machine;
    if (kernel.rules().some(({ priority }) => priority === spec.priority)) return;
    kernel.addRule({ ...spec, protocol: BIRD });
    this.#things.set(`rule ${spec.priority}`, () => kernel.rules().some(({ priority }) => priority === spec.priority));
  }

  addTable(name: string): void {
    const listing = `table ${name} { chain foreign }`;
    this.#machine.setTable(name, listing);
    this.#things.set(`table ${name}`, () => this.#machine.tables.get(name) === listing);
  }

  /** Another program creates an object of one of several kinds. */
  make(what: "link" | "route" | "rule" | "table"): void {
    const i = this.#serial++ % 5;
    const device = this.#machine.kernel.link(UPLINK)?.index ?? 0;
    if (what === "link")
      // Named like the host end of a pod's veth pair, by coincidence.
      this.addLink(i % 2 === 0 ? `cali${i}` : `abcdef${i}_h`, "veth");
    if (what === "route")
      this.addRoute({ destination: `192.0.2.${i * 16}/28`, gateway: ROUTER, device, ...(i > 2 && { table: 100 + i }) });
    if (what === "rule") this.addRule({ family: 4, priority: 900 + i, source: `192.0.2.${i}/32`, table: 100 + i });
    if (what === "table") this.addTable(`inet foreign${i}`);
  }
}
