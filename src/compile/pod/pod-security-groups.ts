// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER } from "../../api/annotations.ts";
import { DENY_ALL_GROUP } from "../../api/names.ts";
import { quoted } from "../../api/text.ts";
import { isOfForm, OBJECT_NAME } from "../../facts/annotation-forms.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { FactReader } from "../../facts/store.ts";
import { namedSecurityGroups } from "../../policy/security-group-index.ts";
import type { ReportEffect } from "../effects.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { securityGroupId } from "../owner-ids.ts";
import { reportPod } from "../reports.ts";
import type { PortInput } from "./port-input.ts";

/** The groups that a pod names for an interface and that do not exist. */
export function missingSecurityGroups(reader: FactReader, pod: PodFact, provider: string): readonly string[] {
  return namedSecurityGroups(pod, provider).filter((name) => reader.get("securityGroupPresence", name) === undefined);
}

/** Kube-OVN's `external_ids` for the security groups of a port. */
export function securityGroupIds(pod: PodFact, provider: string): Readonly<Record<string, string>> {
  const names = namedSecurityGroups(pod, provider).filter((name) => isOfForm(OBJECT_NAME, name));
  if (names.length === 0) return {};
  const associated = Object.fromEntries(names.map((name) => [`associated_sg_${name}`, "true"]));
  return { security_groups: names.join("/"), ...associated };
}

/**
 * Makes a port a member of the groups that its pod names for it, and of the group that drops everything that these do
 * not allow. A group that does not exist allows nothing; the membership takes effect when the group is created. (In
 * Kube-OVN a pod's traffic is not restricted while none of its groups exists.)
 */
export function joinSecurityGroups(build: FragmentBuilder, { pod, ip, vpc }: PortInput, port: string): void {
  const { provider } = ip;
  const names = namedSecurityGroups(pod, provider);
  // An invalid name denies traffic, like a group that does not exist.
  const possible = names.filter((name) => isOfForm(OBJECT_NAME, name));
  if (names.length > 0) build.member("Port_Group", securityGroupId(DENY_ALL_GROUP), "ports", port);
  for (const name of possible) build.member("Port_Group", securityGroupId(name, vpc), "ports", port);
}

/** The Event that names groups of an interface which do not exist. */
export function reportMissingGroups(
  pod: PodFact,
  provider: string,
  missing: readonly string[],
): readonly ReportEffect[] {
  if (missing.length === 0) return [];
  const names = missing.map((group) => quoted(group)).join(", ");
  const rest =
    namedSecurityGroups(pod, provider).length > missing.length
      ? "only its other groups allow traffic"
      : "all traffic of the pod is dropped";
  const message =
    missing.length > 1
      ? `security groups ${names} do not exist; ${rest} until they are created`
      : `security group ${names} does not exist; ${rest} until it is created`;
  const prefix = provider === OVN_PROVIDER ? "" : `interface "${provider}": `;
  return [reportPod(pod, `security-groups/${provider}`, "SecurityGroupNotFound", prefix + message)];
}
