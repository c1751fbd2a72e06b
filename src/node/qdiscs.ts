// SPDX-License-Identifier: Apache-2.0

import type { Qdisc, QdiscSpec } from "../netlink/tc.ts";
import { type Driver, driver, type Step } from "./driver.ts";
import type { NodeKernel } from "./kernel.ts";
import { QDISC_HANDLE } from "./marks.ts";
import type { NodeState, QdiscState } from "./state.ts";

/** Handle of qdiscs that the kernel sets by default. */
const KERNELS_HANDLE = "0:";

/** The qdisc at the root of a link. */
interface FoundQdisc {
  readonly name: string;
  readonly index: number;
  readonly root: Qdisc | undefined;
}

type QdiscStep = Step &
  (
    | { readonly do: "set"; readonly qdisc: QdiscSpec }
    /** Replaces a qdisc of another kind, which cannot be changed in place. */
    | { readonly do: "replace"; readonly qdisc: QdiscSpec }
    | { readonly do: "remove"; readonly index: number }
    | { readonly do: "leave"; readonly kind: string }
  );

/** Queueing disciplines at the roots of links, marked by their handle. */
export function qdiscDriver(kernel: NodeKernel): Driver {
  return driver<readonly FoundQdisc[], QdiscStep>({
    kind: "qdiscs",
    list({ qdiscs }) {
      if (qdiscs === undefined) return undefined;
      const roots = new Map(kernel.qdiscs().map((qdisc) => [`${qdisc.index} ${qdisc.parent}`, qdisc]));
      return kernel.links().map(({ name, index }) => ({ name, index, root: roots.get(`${index} root`) }));
    },
    diff: diffQdiscs,
    apply(step) {
      switch (step.do) {
        case "replace":
          kernel.deleteQdisc(step.qdisc.index, "root");
          kernel.setQdisc(step.qdisc);
          return "done";
        case "set":
          kernel.setQdisc(step.qdisc);
          return "done";
        case "remove":
          return kernel.deleteQdisc(step.index, "root") ? "done" : "absent";
        case "leave":
          return { blockedBy: `another program's ${step.kind}` };
      }
    },
  });
}

function diffQdiscs(found: readonly FoundQdisc[], { qdiscs = [] }: NodeState) {
  const remove: QdiscStep[] = [];
  const set: QdiscStep[] = [];
  for (const { name, index, root } of found) {
    const want = qdiscs.find(({ link }) => link === name);
    const isOurs = root?.handle === QDISC_HANDLE;
    if (want === undefined) {
      if (isOurs) remove.push({ do: "remove", index, what: `qdisc of ${name} (no longer wanted)` });
      continue;
    }
    if (isOurs && isQdisc(root, want)) continue;
    const what = `qdisc ${want.kind} of ${name}`;
    if (isOurs) set.push({ do: root.kind === want.kind ? "set" : "replace", qdisc: specOf(want, index), what });
    else if (root === undefined || root.handle === KERNELS_HANDLE)
      set.push({ do: "set", qdisc: specOf(want, index), what });
    else set.push({ do: "leave", kind: root.kind, what });
  }
  return { remove, set };
}

function isQdisc(has: Qdisc, want: QdiscState): boolean {
  if (has.kind !== want.kind) return false;
  // The kernel rounds to bytes. It does not report the burst as it was given.
  return has.rate === Math.floor(want.rate / 8) * 8 && has.limit === want.limit;
}

function specOf(want: QdiscState, index: number): QdiscSpec {
  const { link: _, ...qdisc } = want;
  return { ...qdisc, index, handle: QDISC_HANDLE };
}
