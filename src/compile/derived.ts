import type { FactChange, FactStore } from "../facts/store.ts";
import { GroupIndex } from "../policy/group-index.ts";
import { noteSecurityGroup } from "../policy/security-group-presence.ts";
import { judgeSubnet } from "./subnet-verdict.ts";

/**
 * The facts that follow from other facts alone: verdicts on subnets, who is in which group, and which security groups exist. What they say depends on the facts,
 * not on the order in which these came.
 */
export class DerivedFacts {
  readonly #facts: FactStore;
  readonly #groups: GroupIndex;

  constructor(facts: FactStore) {
    this.#facts = facts;
    this.#groups = new GroupIndex(facts);
  }

  /** Takes in all facts at once. */
  start(): void {
    this.#judge();
    for (const { key } of this.#facts.all("securityGroups")) noteSecurityGroup(this.#facts, key);
    this.#groups.start();
  }

  /** A fact has changed. Call it before the units are told, so that they find what follows from it. */
  noteFact(change: FactChange): void {
    // Verdicts first: whatever else a changed subnet wakes must find the new one.
    if (change.kind === "subnets" || change.kind === "nodes") this.#judge();
    if (change.kind === "securityGroups") noteSecurityGroup(this.#facts, change.key);
    this.#groups.noteFact(change);
  }

  /** Recomputes all verdicts; equal ones are cut off by the store. Subnets and nodes change rarely and are few. */
  #judge(): void {
    const subnets = this.#facts.all("subnets");
    for (const subnet of subnets) this.#facts.set("verdicts", subnet.name, judgeSubnet(this.#facts, subnet));
    for (const { key } of this.#facts.all("verdicts")) {
      // Verdicts on pools, which have a slash in their keys, are the allocator's.
      if (!key.includes("/") && this.#facts.get("subnets", key) === undefined)
        this.#facts.set("verdicts", key, undefined);
    }
  }
}
