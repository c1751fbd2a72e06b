// SPDX-License-Identifier: Apache-2.0

import type { Health, TopologyNode } from "../../page/contract.ts";
import type { TopologyIndex } from "./graph.ts";

/** A line of the tree. */
export interface Branch {
  readonly id: string;
  readonly name: string;
  /** It stands for what is below it only. */
  readonly isGroup: boolean;
  readonly state: Health;
  readonly pods?: number;
  readonly branches: readonly Branch[];
}

/** VPCs with their subnets and gateways, and the nodes. `compare`: for names. */
export function branchesOf(index: TopologyIndex, compare: (a: string, b: string) => number): readonly Branch[] {
  const sorted = (nodes: readonly TopologyNode[]): readonly TopologyNode[] =>
    nodes.toSorted((a, b) => compare(a.name, b.name));
  const leaf = (node: TopologyNode): Branch => ({
    id: node.id,
    name: node.name,
    isGroup: false,
    state: node.state,
    ...("pods" in node && { pods: node.pods }),
    branches: [],
  });
  const vpcs = sorted(index.all("vpc")).map((vpc): Branch => {
    const next = [...index.next(vpc.id, "subnet"), ...index.next(vpc.id, "gateway")];
    return { ...leaf(vpc), branches: sorted(next).map(leaf) };
  });
  const placed = new Set(vpcs.flatMap(({ branches }) => branches.map(({ id }) => id)));
  const loose = [...index.all("gateway"), ...index.all("vlan"), ...index.all("subnet")].filter(
    ({ id }) => !placed.has(id),
  );
  const nodes = sorted(index.all("node")).map(leaf);
  const group: Branch = { id: "nodes", name: "", isGroup: true, state: "ok", branches: nodes };
  return [...vpcs, ...sorted(loose).map(leaf), ...(nodes.length > 0 ? [group] : [])];
}

/** A line that is shown, with the line that it is under. */
export interface ShownBranch extends Branch {
  readonly parent?: string;
}

/** The lines that are shown, from above. `open`: the ids of the opened. */
export function shownBranches(
  branches: readonly Branch[],
  open: ReadonlySet<string>,
  parent?: string,
): readonly ShownBranch[] {
  return branches.flatMap((branch) => [
    { ...branch, ...(parent !== undefined && { parent }) },
    ...(open.has(branch.id) ? shownBranches(branch.branches, open, branch.id) : []),
  ]);
}

/** What a key does in a tree. */
export type TreeStep = { readonly do: "go"; readonly id: string } | { readonly do: "open" | "close" | "choose" };

/** What a key does at a line (ARIA APG, tree view): undefined for a key that a tree does not know. A letter leads to the next name that begins with it. */
export function treeKey(
  key: string,
  shown: readonly ShownBranch[],
  at: number,
  open: ReadonlySet<string>,
): TreeStep | undefined {
  const here = shown[at];
  if (here === undefined) return undefined;
  const to = (branch: ShownBranch | undefined): TreeStep => ({ do: "go", id: branch?.id ?? here.id });
  const isOpen = here.branches.length > 0 && open.has(here.id);
  switch (key) {
    case "ArrowDown":
      return to(shown[at + 1]);
    case "ArrowUp":
      return to(shown[at - 1]);
    case "Home":
      return to(shown[0]);
    case "End":
      return to(shown.at(-1));
    case "ArrowRight":
      if (here.branches.length === 0) return to(here);
      return isOpen ? to(shown[at + 1]) : { do: "open" };
    case "ArrowLeft":
      if (isOpen) return { do: "close" };
      return to(shown.find(({ id }) => id === here.parent));
    case "Enter":
    case " ":
      return { do: "choose" };
    default: {
      if (/^[\w-]{2,}$/.test(key) || key === "/" || key === "?") return undefined;
      const next = [...shown.slice(at + 1), ...shown.slice(0, at)].find(({ name }) =>
        name.toLowerCase().startsWith(key.toLowerCase()),
      );
      return next === undefined ? undefined : to(next);
    }
  }
}
