// SPDX-License-Identifier: Apache-2.0

import type { Link, LinkChange } from "../netlink/links.ts";
import { type Driver, driver, type Step } from "./driver.ts";
import type { NodeKernel } from "./kernel.ts";
import { NODE_OWNER, type Owner } from "./marks.ts";
import type { LinkState, NodeState } from "./state.ts";

type LinkStep = Step &
  (
    | { readonly do: "make"; readonly link: LinkState & { readonly make: string } }
    | { readonly do: "change"; readonly index: number; readonly change: LinkChange }
    | { readonly do: "checksum"; readonly name: string }
    | { readonly do: "remove"; readonly index: number }
  );

/** A link, and whether its device leaves checksums to the receiver, if that matters. */
interface FoundLink {
  readonly link: Link;
  readonly checksum: boolean;
}

/** Links: those that Weft creates, and attributes of links that other programs create. */
export function linkDriver(kernel: NodeKernel, { linkAlias }: Owner = NODE_OWNER): Driver {
  return driver<readonly FoundLink[], LinkStep>({
    kind: "links",
    list({ links }) {
      if (links === undefined) return undefined;
      const isAsked = (name: string): boolean => links.some((link) => link.name === name && link.checksumOff === true);
      return kernel.links().map((link) => ({ link, checksum: isAsked(link.name) && kernel.checksum(link.name) }));
    },
    diff: (found, state) => diffLinks(found, state, linkAlias),
    apply(step) {
      switch (step.do) {
        case "make": {
          const { name, make, mac, mtu } = step.link;
          kernel.createLink({
            name,
            kind: make,
            alias: linkAlias,
            up: true,
            ...(mac !== undefined && { mac }),
            ...(mtu !== undefined && { mtu }),
          });
          return "done";
        }
        case "change":
          kernel.setLink(step.index, step.change);
          return "done";
        case "checksum":
          kernel.setChecksum(step.name, false);
          return "done";
        case "remove":
          return kernel.deleteLink(step.index) ? "done" : "absent";
      }
    },
  });
}

function diffLinks(found: readonly FoundLink[], { links = [] }: NodeState, linkAlias: string) {
  const remove: LinkStep[] = [];
  const set: LinkStep[] = [];
  const missing: string[] = [];
  const wanted = new Map(links.map((link) => [link.name, link]));
  for (const { link } of found) {
    // Also one whose kind must change.
    const isLeft = link.alias === linkAlias && wanted.get(link.name)?.make !== link.kind;
    if (isLeft) remove.push({ do: "remove", index: link.index, what: `link ${link.name} (no longer wanted)` });
  }
  for (const want of links) {
    const has = found.find(({ link }) => link.name === want.name);
    if (has !== undefined) set.push(...changes(has, want, linkAlias));
    else if (want.make === undefined) missing.push(want.name);
    else set.push({ do: "make", link: { ...want, make: want.make }, what: `link ${want.name}` });
  }
  return { remove, set, missing };
}

function changes({ link, checksum }: FoundLink, want: LinkState, linkAlias: string): readonly LinkStep[] {
  // A link of that name that another program has created stays unchanged.
  if (want.make !== undefined && link.alias !== linkAlias) return [];
  const { name, index } = link;
  const wrongMac = want.mac !== undefined && link.mac !== want.mac;
  const wrongMtu = want.mtu !== undefined && link.mtu !== want.mtu;
  const was = [wrongMac ? (link.mac ?? "no MAC") : "", wrongMtu ? `mtu ${link.mtu}` : "", link.up ? "" : "down"];
  const change: LinkChange = {
    ...(wrongMac && want.mac !== undefined && { mac: want.mac }),
    ...(wrongMtu && want.mtu !== undefined && { mtu: want.mtu }),
    ...(!link.up && { up: true }),
  };
  const isWrong = wrongMac || wrongMtu || !link.up;
  return [
    ...(isWrong
      ? [
          {
            do: "change",
            index,
            change,
            what: `link ${name} (was ${was.filter((part) => part !== "").join(", ")})`,
          } as const,
        ]
      : []),
    ...(checksum ? [{ do: "checksum", name, what: `checksum ${name}` } as const] : []),
  ];
}
