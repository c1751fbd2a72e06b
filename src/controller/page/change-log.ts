// SPDX-License-Identifier: Apache-2.0

import type { FactChange } from "../../facts/fact-change.ts";
import type { IpFact } from "../../facts/ip.ts";
import type { FactKind } from "../../facts/types.ts";
import type { ChangedKind, ObjectName, StreamEvent } from "../../page/contract.ts";
import { namespaceOfHolder, type Viewer } from "../../page/viewer.ts";
import type { Clock } from "../../time/clock.ts";
import { BatchIds } from "./batch-ids.ts";

/** Kind of fact → what is shown of it. */
const SHOWN: Partial<Record<FactKind, { readonly changed: ChangedKind; readonly kind: string }>> = {
  pods: { changed: "pods", kind: "Pod" },
  downPorts: { changed: "pods", kind: "" },
  ips: { changed: "addresses", kind: "" },
  networkPolicies: { changed: "policies", kind: "NetworkPolicy" },
  adminNetworkPolicies: { changed: "policies", kind: "AdminNetworkPolicy" },
  baselineAdminNetworkPolicies: { changed: "policies", kind: "BaselineAdminNetworkPolicy" },
  clusterNetworkPolicies: { changed: "policies", kind: "ClusterNetworkPolicy" },
  securityGroups: { changed: "policies", kind: "SecurityGroup" },
  subnets: { changed: "subnets", kind: "Subnet" },
  verdicts: { changed: "subnets", kind: "Subnet" },
  vpcs: { changed: "vpcs", kind: "Vpc" },
  nodes: { changed: "nodes", kind: "Node" },
  services: { changed: "services", kind: "Service" },
  namespaces: { changed: "namespaces", kind: "Namespace" },
};

/** The scopes of a change: a namespace, or one of these. */
const NODES = "/nodes";
const NETWORKS = "/networks";
/** Of more scopes in one batch no viewer is told what changed: all have to ask again. */
const MAX_SCOPES = 1_000;
const MAX_NAMES = 50;
/** How long a client may have been away, in ms, to be told what it has missed; and the number of batches that are kept for it: one a second, and one for each stream that begins. */
const KEPT_MS = 60_000;
const KEPT = 256;

interface Scope {
  readonly kinds: Set<ChangedKind>;
  readonly names: Map<string, ObjectName>;
  more: boolean;
}

/** What has changed within a second. */
interface Batch {
  readonly sequence: number;
  /** Absent: so much that everybody is to ask again. */
  readonly scopes: ReadonlyMap<string, Scope> | undefined;
}

/** What has changed lately, in batches; bounded in every direction. A viewer is told of scopes that they see only. */
export class ChangeLog {
  readonly #ids = new BatchIds();
  readonly #clock: Pick<Clock, "now">;
  readonly #holderOf: (port: string) => string | undefined;
  #batches: Batch[] = [];
  #sequence = 0;
  #pending = new Map<string, Scope>();
  #overflow = false;

  /** `holderOf`: who has the addresses of a port, as in `IpFact.holder`. */
  constructor(clock: Pick<Clock, "now">, holderOf: (port: string) => string | undefined) {
    this.#clock = clock;
    this.#holderOf = holderOf;
  }

  /** Notes a change. Returns whether it is one that is shown. */
  note(change: FactChange): boolean {
    const shown = SHOWN[change.kind];
    if (shown === undefined) return false;
    const scope = this.#scope(this.#scopeOf(change));
    if (scope === undefined) return true;
    scope.kinds.add(shown.changed);
    if (shown.kind === "") return true;
    const slash = change.key.indexOf("/");
    const name: ObjectName =
      slash < 0
        ? { kind: shown.kind, name: change.key }
        : { kind: shown.kind, namespace: change.key.slice(0, slash), name: change.key.slice(slash + 1) };
    if (scope.names.size < MAX_NAMES) scope.names.set(`${shown.kind} ${change.key}`, name);
    else scope.more = true;
    return true;
  }

  /** Notes new flows with an end in these namespaces. */
  noteFlows(namespaces: Iterable<string>): void {
    for (const namespace of namespaces) this.#scope(namespace)?.kinds.add("flows");
  }

  /** Ends the current batch, if there is one. */
  flush(): void {
    if (this.#pending.size === 0 && !this.#overflow) return;
    this.#batches.push({ sequence: ++this.#sequence, scopes: this.#overflow ? undefined : this.#pending });
    if (this.#batches.length > KEPT) this.#batches = this.#batches.slice(-KEPT);
    this.#pending = new Map();
    this.#overflow = false;
  }

  /** An id of the last batch, another one each time. */
  get last(): string {
    return this.#ids.seal({ sequence: this.#sequence, at: this.#clock.now() });
  }

  /** What a viewer is told of the batches after the one with this id; `undefined` if nothing of theirs has changed. `flows`: of these too. */
  since(id: string | undefined, viewer: Viewer, flows = false): StreamEvent | undefined {
    if (id === undefined) return { type: "reset", reason: "connected" };
    const known = this.#ids.open(id);
    if (known === undefined) return { type: "reset", reason: "restarted" };
    const { sequence, at } = known;
    const first = this.#sequence - this.#batches.length;
    // By time, because the number of batches depends on what others do.
    if (this.#clock.now() - at > KEPT_MS || sequence < first) return { type: "reset", reason: "missed" };
    const kinds = new Set<ChangedKind>();
    const names = new Map<string, ObjectName>();
    let more = false;
    for (const { scopes } of this.#batches.slice(sequence - first)) {
      if (scopes === undefined) return { type: "reset", reason: "missed" };
      for (const [of, scope] of scopes) {
        if (!seesScope(viewer, of)) continue;
        for (const kind of scope.kinds) kinds.add(kind);
        for (const [key, name] of scope.names) {
          if (names.size < MAX_NAMES) names.set(key, name);
          else more = true;
        }
        more ||= scope.more;
      }
    }
    if (!flows) kinds.delete("flows");
    return kinds.size === 0
      ? undefined
      : { type: "change", kinds: [...kinds].sort(), objects: [...names.values()], more };
  }

  #scopeOf({ kind, key, old, new: now }: FactChange): string {
    if (kind === "nodes") return NODES;
    if (kind === "namespaces") return key;
    if (kind === "ips") return namespaceOfHolder(((now ?? old) as IpFact | undefined)?.holder ?? "") ?? NETWORKS;
    if (kind === "downPorts") return namespaceOfHolder(this.#holderOf(key) ?? "") ?? NETWORKS;
    const slash = key.indexOf("/");
    return slash < 0 ? NETWORKS : key.slice(0, slash);
  }

  #scope(name: string): Scope | undefined {
    const known = this.#pending.get(name);
    if (known !== undefined) return known;
    if (this.#overflow || this.#pending.size >= MAX_SCOPES) {
      this.#overflow = true;
      this.#pending.clear();
      return undefined;
    }
    const made = { kinds: new Set<ChangedKind>(), names: new Map<string, ObjectName>(), more: false };
    this.#pending.set(name, made);
    return made;
  }
}

function seesScope(viewer: Viewer, scope: string): boolean {
  if (scope === NODES) return viewer.sees.nodes;
  return scope === NETWORKS ? viewer.sees.networks : viewer.maySee(scope);
}
