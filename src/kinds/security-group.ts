// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { aclName, DENY_ALL_GROUP, securityGroupInVpcName, securityGroupPortGroupName } from "../api/names.ts";
import { aclContent, holdAcl } from "../compile/acl-row.ts";
import type { WeftEffect } from "../compile/effects.ts";
import { FragmentBuilder } from "../compile/fragment-builder.ts";
import { securityGroupId } from "../compile/owner-ids.ts";
import { problemText } from "../compile/reports.ts";
import { externalIds } from "../compile/rows.ts";
import { isSampling, sampleAcl } from "../compile/sampling.ts";
import type { Fragment } from "../desired/fragment.ts";
import type { UnitKind } from "../desired/unit-kind.ts";
import { projectSecurityGroup } from "../facts/project-security-group.ts";
import type { SecurityGroupFact } from "../facts/security-group.ts";
import type { FactReader } from "../facts/store.ts";
import { SECURITY_GROUPS } from "../kube/resources.ts";
import { podVpcs } from "../policy/pod-vpcs.ts";
import { denyAllAcls, type SecurityGroupAcl, translateSecurityGroup } from "../policy/security-group-acls.ts";
import type { Direction } from "../policy/types.ts";
import { type VirtualPort, virtualPortsIn } from "../policy/virtual-ports.ts";
import { ACL_COLUMNS } from "./columns.ts";
import type { Kind } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly securityGroups: SecurityGroupFact;
  }
}

interface SecurityGroupInput {
  /** Absent for the built-in group of all ports with a SecurityGroup. */
  readonly group?: SecurityGroupFact;
  /** Names of groups that its rules refer to and that exist. */
  readonly known: readonly string[];
  /** The VPCs in which it has ports: the default VPC, and custom ones. */
  readonly places?: readonly Place[];
  /** New connections that its ACLs decide are sampled. */
  readonly sampled?: true;
}

interface Place {
  /** A custom VPC; absent for the default VPC. */
  readonly vpc?: string;
  /** Group → the VPCs in which members of it are peers here; `null` is the default VPC. */
  readonly peers: Readonly<Record<string, readonly (string | null)[]>>;
  /** The ranges that its egress rules name → the ports of this VPC's Services in them. */
  readonly virtualPorts: Readonly<Record<string, readonly VirtualPort[]>>;
}

/**
 * A SecurityGroup: its Port_Group and its ACLs. Each pod adds itself as member, in the transaction that creates its port. Rules refer to the members
 * of a group by the address sets that OVN derives from its Port_Group (ovn-nb(5)), so Kube-OVN's `ovn.sg.<name>.associated.v4` and `.v6` are not
 * needed.
 */
export const securityGroupUnit: UnitKind<FactReader, SecurityGroupInput, WeftEffect> = {
  name: "securitygroup",
  priority: 1,
  atomic: true,

  read(reader, key) {
    const sampled = isSampling(reader) ? ({ sampled: true } as const) : {};
    if (key === DENY_ALL_GROUP) return reader.get("cluster", "cluster") && { known: [], ...sampled };
    const group = reader.get("securityGroups", key);
    if (group === undefined) return undefined;
    const named = group.rules.flatMap(({ remote }) => (remote?.kind === "group" ? [remote.name] : []));
    const known = [...new Set(named)].filter((name) => reader.get("securityGroupPresence", name) !== undefined).sort();
    const ranges = group.rules.flatMap(({ direction, remote }) =>
      direction === "egress" && remote?.kind === "cidr" ? [remote.cidr] : [],
    );
    const vpcs = reader.get("securityGroupVpcs", key)?.vpcs ?? [];
    const places = [undefined, ...vpcs].map((vpc) => placeIn(reader, [key, ...known], ranges, vpc));
    return { group, known, places, ...sampled };
  },

  compile({ group, known, places = [], sampled = false }): Fragment<WeftEffect> {
    const build = new FragmentBuilder();
    if (group === undefined) {
      addPortGroup(build, DENY_ALL_GROUP);
      for (const acl of denyAllAcls()) addAcl(build, DENY_ALL_GROUP, acl, sampled);
      return build.finish();
    }
    const [own] = places.map(({ vpc, peers, virtualPorts }) => {
      const translated = translateSecurityGroup(
        group,
        (name) => known.includes(name),
        (cidr) => virtualPorts[cidr] ?? [],
        {
          portGroup: portGroupName(group.name, vpc),
          members: (name) => (peers[name] ?? []).map((other) => portGroupName(name, other ?? undefined)),
        },
      );
      addPortGroup(build, group.name, vpc);
      for (const acl of translated.acls) addAcl(build, group.name, acl, sampled, vpc);
      return translated;
    });
    if (own === undefined) throw new Error(`security group ${group.name} has no place`);
    const { acls, problems: unclear, clean } = own;
    const malformed = (group.malformed ?? []).map((field) => ({ reason: "MalformedField", ...field }));
    const problems = [...unclear, ...malformed];
    const { name, uid, generation, tier } = group;
    const [first] = problems;
    return build.finish([
      {
        kind: "condition",
        key: `condition/securityGroups/${name}`,
        resource: "securityGroups",
        name,
        uid,
        generation,
        ready: first === undefined,
        reason: first?.reason ?? "Ready",
        message: problemText(problems),
        status: {
          portGroup: securityGroupPortGroupName(name),
          allowSameGroupTraffic: group.allowSameGroupTraffic && tier !== undefined,
          ingressMd5: digest(acls, "ingress"),
          egressMd5: digest(acls, "egress"),
          ingressLastSyncSuccess: clean.includes("ingress"),
          egressLastSyncSuccess: clean.includes("egress"),
        },
      },
    ]);
  },
};

/** The default VPC always counts, because its Port_Group exists; a custom one counts for groups with members there. */
function placeIn(
  reader: FactReader,
  groups: readonly string[],
  ranges: readonly string[],
  vpc: string | undefined,
): Place {
  const near = [vpc, ...podVpcs(reader).peeredWith(vpc)];
  const peers = groups.map((name) => {
    const there = reader.get("securityGroupVpcs", name)?.vpcs ?? [];
    const vpcs = near.filter((other) => other === undefined || there.includes(other));
    return [name, vpcs.map((other) => other ?? null)] as const;
  });
  const virtualPorts = ranges.map((cidr) => [cidr, virtualPortsIn(reader, cidr, vpc)] as const);
  return {
    ...(vpc !== undefined && { vpc }),
    peers: Object.fromEntries(peers),
    virtualPorts: Object.fromEntries(virtualPorts),
  };
}

function portGroupName(group: string, vpc: string | undefined): string {
  return vpc === undefined ? securityGroupPortGroupName(group) : securityGroupInVpcName(group, vpc);
}

function addPortGroup(build: FragmentBuilder, name: string, vpc?: string): void {
  build.row("Port_Group", securityGroupId(name, vpc), {
    name: portGroupName(name, vpc),
    external_ids: externalIds({ type: "security_group", sg: name, ...(vpc !== undefined && { vpc }) }),
  });
}

/** The id of an ACL is derived from its content, so that unchanged ACLs of a changed group are not written; equal ones are one row. */
function addAcl(build: FragmentBuilder, name: string, acl: SecurityGroupAcl, sampled: boolean, vpc?: string): void {
  const { direction, tier, priority, match, action, rule } = acl;
  const id = `sg/${name}/${aclContent([direction, tier, priority, match, action], 16)}`;
  if (build.has("ACL", id)) return;
  holdAcl(build, "Port_Group", securityGroupId(name, vpc), id, {
    name: aclName("sg", name, rule),
    // A connection is evaluated with its destination after load balancing, from its first packet to its last (ovn-nb(5), ACL options).
    stage: direction === "ingress" ? "to-lport" : "from-lport-after-lb",
    tier,
    priority,
    match,
    action,
    external_ids: externalIds({ policy: `sg/${name}`, rule }),
  });
  if (sampled) sampleAcl(build, id);
}

/** Kube-OVN stores the MD5 of the rules there to detect changes; here it is that of the ACLs of one direction. */
function digest(acls: readonly SecurityGroupAcl[], direction: Direction): string {
  const own = acls.filter((acl) => acl.direction === direction);
  return createHash("md5").update(JSON.stringify(own)).digest("hex");
}

/** kubeovn.io/v1 SecurityGroup. */
export const securityGroupKind: Kind<"securityGroups"> = {
  facts: "securityGroups",
  type: SECURITY_GROUPS,
  project: projectSecurityGroup,
  indexes: {},
  unit: securityGroupUnit,
  rows: { Port_Group: ["name", "external_ids", "acls"], ACL: ACL_COLUMNS },
  status: "subresource",
  access: { verbs: [], why: "Watched; the status says which rules are enforced." },
};
