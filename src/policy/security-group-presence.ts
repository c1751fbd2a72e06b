import type { FactStore } from "../facts/store.ts";

/**
 * Says in derived facts whether a SecurityGroup exists, and whether any does, so that pods and nodes are not woken by a change of
 * rules. Call it when the group's fact has changed, before the units are told.
 */
export function noteSecurityGroup(facts: FactStore, key: string): void {
  facts.set("securityGroupPresence", key, facts.get("securityGroups", key) && { key });
  const any = facts.size("securityGroups") > 0;
  facts.set("policyUse", "securityGroups", any ? { key: "securityGroups", any } : undefined);
}
