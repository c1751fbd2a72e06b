// SPDX-License-Identifier: Apache-2.0

import type { PodLink, PodLinks } from "../../../src/daemon/pods/pod-links.ts";
import { readPodAlias } from "../../../src/daemon/pods/pod-mark.ts";
import type { Link } from "../../../src/netlink/links.ts";
import type { NodeKernel } from "../../../src/node/kernel.ts";
import { LINK_GROUP, POD_LINK_ALIAS } from "../../../src/node/marks.ts";
import type { Nftables } from "../../../src/node/nftables.ts";
import type { SimProcess } from "../process.ts";
import { Random } from "../random.ts";
import type { Scheduler } from "../scheduler.ts";
import type { Machine } from "./machine.ts";

/** The interfaces to its machine that a daemon's process gets. */
export interface MachineParts {
  readonly kernel: NodeKernel;
  readonly links: PodLinks;
  readonly nft: Nftables;
  watchLostLinks(onLost: (name: string | undefined) => void): { close(): void };
}

/** Calls of the kernel that change nothing. */
const READS: ReadonlySet<string> = new Set([
  "links",
  "link",
  "checksum",
  "addresses",
  "routes",
  "rules",
  "qdiscs",
  "sysctl",
]);

/**
 * A machine as one process uses it: an operation that takes time consists of several events, between which the process may die, and notifications of the kernel
 * arrive a little later. `onChange` is called after each change by the process.
 */
export function machineParts(
  machine: Machine,
  process: SimProcess,
  scheduler: Scheduler,
  seed: string,
  onChange: (what: string) => void,
): MachineParts {
  const random = new Random(`${seed}/machine/${process.name}`);
  const later = (run: () => void): void => void scheduler.after(random.delay(1, 20), () => process.deliver(run));
  const call = <R>(what: string, act: () => R): Promise<R> =>
    new Promise((resolve, reject) => {
      later(() => {
        try {
          const result = act();
          onChange(what);
          // The answer is a separate event.
          later(() => resolve(result));
        } catch (error) {
          later(() => reject(error instanceof Error ? error : new Error(String(error))));
        }
      });
    });
  const watchKernel: NodeKernel["watch"] = (listener) => {
    let open = true;
    const watched = machine.kernel.watch((event) => later(() => open && listener(event)));
    return {
      close() {
        open = false;
        watched.close();
      },
    };
  };
  return {
    kernel: guardedKernel(machine.kernel, process, watchKernel, onChange),
    links: podLinks(machine, call),
    nft: nftables(machine, call, later),
    watchLostLinks: (onLost) =>
      watchKernel((event) => {
        if (event.type === "link" && event.change === "removed" && event.link.name.endsWith("_h"))
          onLost(event.link.name);
      }),
  };
}

type Call = <R>(what: string, act: () => R) => Promise<R>;

/** A process that has died calls nothing any more, although its code is still in memory. */
function guardedKernel(
  kernel: NodeKernel,
  process: SimProcess,
  watch: NodeKernel["watch"],
  onChange: (what: string) => void,
): NodeKernel {
  return new Proxy(kernel, {
    get(target, name) {
      if (name === "watch") return watch;
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== "function") return method;
      return (...args: unknown[]): unknown => {
        if (!process.alive) throw new Error("the process is dead");
        const result: unknown = method.apply(target, args);
        if (!READS.has(String(name))) onChange(String(name));
        return result;
      };
    },
  });
}

function podLinks(machine: Machine, call: Call): PodLinks {
  const { kernel, pairs, namespaces } = machine;
  const loseRoutes = (netns: string, except: string, which: (destination: PodRoute) => boolean): void => {
    for (const [name, { wanted, configured }] of pairs) {
      if (wanted.netns !== netns || wanted.ifName === except) continue;
      const routes = wanted.routes.filter(({ destination }) => !which(destination));
      pairs.set(name, { wanted: { ...wanted, routes }, configured });
    }
  };
  const endIn = (netns: string, ifName: string) =>
    [...pairs.values()].find(({ wanted }) => wanted.netns === netns && wanted.ifName === ifName);
  return {
    async createPair(wanted) {
      await call("createPair", () => {
        if (!namespaces.has(wanted.netns)) throw new Error(`${wanted.netns} does not exist`);
        const there = kernel.link(wanted.hostName);
        if (there !== undefined && isForeign(there)) throw new Error(`${wanted.hostName} is another program's`);
        machine.deleteLink(wanted.hostName);
        if (endIn(wanted.netns, wanted.ifName) !== undefined)
          throw new Error(`${wanted.netns} has ${wanted.ifName} already`);
        kernel.createLink({ name: wanted.hostName, kind: "veth", mtu: wanted.mtu, group: LINK_GROUP });
        pairs.set(wanted.hostName, { wanted, configured: false });
      });
      // A separate request: the process may have ended in between.
      await call("setLink", () => {
        const link = kernel.link(wanted.hostName);
        if (link === undefined) throw new Error(`${wanted.hostName} vanished`);
        kernel.setLink(link.index, { ...(!wanted.startsDown && { up: true }), alias: wanted.alias });
      });
    },
    connect: (hostName) =>
      call("connect", () => {
        const link = kernel.link(hostName);
        if (link === undefined) throw new Error(`${hostName} vanished`);
        kernel.setLink(link.index, { up: true });
      }),
    configure: (wanted) =>
      call("configure", () => {
        const end = pairs.get(wanted.hostName);
        if (end?.wanted.netns !== wanted.netns) throw new Error(`${wanted.ifName} vanished from ${wanted.netns}`);
        pairs.set(wanted.hostName, { wanted, configured: true });
        const destinations = wanted.routes.map(({ destination }) => destination.text);
        loseRoutes(wanted.netns, wanted.ifName, ({ text }) => destinations.includes(text));
      }),
    removeDefaultRoutes: (netns, ifName, families) =>
      call("removeDefaultRoutes", () =>
        loseRoutes(netns, ifName, ({ prefix, family }) => prefix === 0 && families.includes(family)),
      ),
    setRoutes: (netns, ifName, wanted) =>
      call("setRoutes", () => {
        const end = endIn(netns, ifName);
        if (end === undefined) return [];
        const others = [...pairs.values()].filter((pair) => pair !== end && pair.wanted.netns === netns);
        const taken = new Set(
          others.flatMap(({ wanted: { routes } }) => routes.map(({ destination }) => destination.text)),
        );
        const kept = end.wanted.routes.filter(({ isConfigured }) => isConfigured === true);
        const own = wanted.filter(
          ({ destination: { text } }) => !taken.has(text) && !kept.some(({ destination }) => destination.text === text),
        );
        const routes = [...kept, ...own];
        const texts = (list: typeof routes): readonly string[] =>
          list.map(({ destination, gateway }) => `${destination.text} via ${gateway.text}`);
        const before = texts([...end.wanted.routes]);
        pairs.set(end.wanted.hostName, { ...end, wanted: { ...end.wanted, routes } });
        return texts(routes).filter((text) => !before.includes(text));
      }),
    // No seed uses emulation.
    setNetem: async () => "unsupported",
    announce: () => undefined,
    removePair: (hostName) =>
      call(`removePair ${hostName}`, () => {
        const link = kernel.link(hostName);
        if (link !== undefined && !isForeign(link)) machine.deleteLink(hostName);
      }),
    exists: (hostName) => call("exists", () => kernel.link(hostName) !== undefined),
    hostEnds: () =>
      call("hostEnds", () => {
        const veths = kernel.links().filter(({ kind }) => kind === "veth");
        return veths.map((link) => ({
          name: link.name,
          isOurs: link.alias === undefined ? link.group === LINK_GROUP : link.alias.startsWith(POD_LINK_ALIAS),
          isUnfinished: link.alias === undefined && link.group === LINK_GROUP,
          isForeign: isForeign(link),
          mark: link.alias === undefined ? undefined : readPodAlias(link.alias),
        }));
      }),
    mark: (hostName, alias) =>
      call("mark", () => {
        const link = kernel.link(hostName);
        if (link !== undefined && !isForeign(link)) kernel.setLink(link.index, { alias, group: LINK_GROUP });
      }),
    inspect: (netns, ifName) =>
      call("inspect", () => {
        const end = endIn(netns, ifName);
        if (end === undefined) return undefined;
        const { wanted, configured } = end;
        const defaults = [...pairs.values()].filter((other) => other.wanted.netns === netns && other !== end);
        return {
          mac: wanted.mac,
          mtu: wanted.mtu,
          up: configured,
          addresses: configured ? wanted.addresses.map(({ ip, cidr }) => `${ip.text}/${cidr.prefix}`) : [],
          routes: configured ? wanted.routes.map(({ destination }) => destination.text) : [],
          defaultsOfOthers: defaults.flatMap((other) =>
            other.wanted.routes.flatMap(({ destination }) => (destination.prefix === 0 ? [destination.text] : [])),
          ),
        };
      }),
  };
}

/** As in `netlink-pod-links.ts`. */
function isForeign({ kind, alias }: Link): boolean {
  return kind !== "veth" || (alias !== undefined && !alias.startsWith(POD_LINK_ALIAS));
}

type PodRoute = PodLink["routes"][number]["destination"];

function nftables(machine: Machine, call: Call, later: (run: () => void) => void): Nftables {
  return {
    apply: (script) =>
      call("nft", () => {
        const name = /^table (\w+ \S+)/.exec(script)?.[1];
        if (name === undefined) throw new Error("nft: syntax error");
        machine.setTable(name, script.endsWith(`delete table ${name}\n`) ? "" : script);
      }),
    list: (table) => call("nft list", () => machine.tables.get(table) ?? ""),
    tables: () => call("nft list tables", () => [...machine.tables.keys()]),
    watch(listener) {
      let open = true;
      const stop = machine.watchTables((table) => later(() => open && listener(table)));
      return {
        close() {
          open = false;
          stop();
        },
      };
    },
  };
}
