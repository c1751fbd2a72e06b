import { Namesakes } from "../compile/namesakes.ts";
import { ADDRESSES_IN_USE, type Settled, settleSubnets } from "../compile/subnet-verdict.ts";
import type { FactChange, FactStore } from "../facts/store.ts";
import type { FactKind } from "../facts/types.ts";
import { GroupIndex } from "../policy/group-index.ts";
import { SecurityGroupIndex } from "../policy/security-group-index.ts";
import { samePlain } from "../unit/plain.ts";
import { Holders } from "./holders.ts";

/**
 * The facts that follow from other facts alone: verdicts on subnets, who is in which group, which security groups exist, whose names run together, and which
 * objects hold addresses. What they
 * say depends on the facts, not on the order in which these came.
 */
export class DerivedFacts {
  readonly #facts: FactStore;
  readonly #groups: GroupIndex;
  /** Subnet → how it was settled last. */
  readonly #settled = new Map<string, Settled>();
  #started = false;
  readonly #securityGroups: SecurityGroupIndex;
  readonly #namesakes: Namesakes;
  readonly #holders: Holders;

  constructor(facts: FactStore) {
    this.#facts = facts;
    this.#groups = new GroupIndex(facts);
    this.#securityGroups = new SecurityGroupIndex(facts);
    this.#namesakes = new Namesakes(facts);
    this.#holders = new Holders(facts);
  }

  /** Takes in all facts at once. */
  start(): void {
    this.#started = true;
    this.#namesakes.start();
    this.#holders.start();
    this.#settle();
    this.#securityGroups.start();
    this.#groups.start();
  }

  /** A fact has changed; for {@link FactStore.derive}. */
  noteFact(change: FactChange): void {
    this.#namesakes.noteFact(change);
    this.#holders.noteFact(change);
    // Subnets first: whatever else a change wakes must find what is in force now.
    if (SETTLING.has(change.kind)) this.#settle();
    else if (change.kind === "ips" || change.kind === "holders")
      this.#noteHolder(change as FactChange<"ips" | "holders">);
    this.#securityGroups.noteFact(change);
    this.#groups.noteFact(change);
  }

  /** An address may have been given back for which a subnet's new addresses wait, or be held that is in their way as well. */
  #noteHolder({ old, new: now }: FactChange<"ips" | "holders">): void {
    const isWaitedFor = (subnet = ""): boolean =>
      this.#facts.get("verdicts", subnet)?.refused?.reason === ADDRESSES_IN_USE;
    if (isWaitedFor(old?.subnet) || isWaitedFor(now?.subnet)) this.#settle();
  }

  /** Settles all subnets anew; what is equal is cut off by the store. Subnets and nodes change rarely and are few. */
  #settle(): void {
    if (!this.#started) return;
    const facts = this.#facts;
    const all = settleSubnets(facts);
    const settled = all.filter((outcome) => this.#isNew(outcome));
    for (const { name } of facts.all("subnets")) {
      if (facts.get("subnetSpecs", name) !== undefined) continue;
      facts.set("verdicts", name, undefined);
      facts.set("subnets", name, undefined);
      this.#settled.delete(name);
    }
    for (const { subnet, verdict } of settled) {
      facts.set("subnets", subnet.name, subnet);
      facts.set("verdicts", subnet.name, verdict);
    }
    const any = all.some(({ subnet }) => subnet.private || subnet.acls.length > 0);
    facts.set("policyUse", "subnets", any ? { key: "subnets", any } : undefined);
  }

  /** Nearly all are as they were, which is cheaper to see here than field by field in the store. */
  #isNew(outcome: Settled): boolean {
    const { name } = outcome.spec;
    const before = this.#settled.get(name);
    if (before?.spec === outcome.spec && samePlain(before.verdict, outcome.verdict)) return false;
    this.#settled.set(name, outcome);
    return true;
  }
}

/** What subnets are settled by. */
const SETTLING: ReadonlySet<FactKind> = new Set(["subnetSpecs", "vpcs", "nodes"]);
