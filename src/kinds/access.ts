// SPDX-License-Identifier: Apache-2.0

import { DAEMON_SETS, EVENTS, typeName } from "../kube/resources.ts";
import { KINDS } from "./index.ts";

/** One rule of a ClusterRole (rbac.authorization.k8s.io/v1 PolicyRule) about one resource, and what it is for. */
export interface AccessRule {
  readonly group: string;
  /** The plural, followed by `/status` if the rule is for the subresource. */
  readonly resource: string;
  /** Names of the objects that it is restricted to; absent: all. */
  readonly names?: readonly string[];
  readonly verbs: readonly string[];
  /** Only in Weft's own namespace: a rule of a Role. */
  readonly own?: true;
  readonly why: string;
}

/** The controller's permissions in the whole cluster: for each kind of object, and for other resources. */
export function accessRules(): readonly AccessRule[] {
  const rules = KINDS.flatMap(({ type, status, access }): AccessRule[] => {
    const { names, own, verbs, why: what } = access;
    const of = { group: type.group, resource: type.plural };
    const object = { ...of, ...(names && { names }), verbs: verbsOf(verbs), why: what };
    if (own !== undefined) return [object, { ...of, verbs: own, own: true, why: what }];
    if (status !== "subresource" && access.status === undefined) return [object];
    const why = "The status of these objects, for users.";
    return [object, { group: type.group, resource: `${type.plural}/status`, verbs: ["patch"], why }];
  });
  const awaited = KINDS.filter(({ absent }) => absent !== undefined).map(({ type }) => typeName(type));
  return [
    ...rules,
    {
      group: "apiextensions.k8s.io",
      resource: "customresourcedefinitions",
      names: awaited.sort(),
      verbs: ["list", "watch"],
      why: "Definitions of optional types are watched until the types are installed.",
    },
    {
      group: DAEMON_SETS.group,
      resource: DAEMON_SETS.plural,
      verbs: ["list"],
      why: "`weftctl status` looks for kube-proxy.",
    },
    {
      group: EVENTS.group,
      resource: EVENTS.plural,
      verbs: ["list", "create", "patch"],
      why: "Events report failures at the object concerned; repeated ones are patched. `weftctl diagnose` lists them.",
    },
  ];
}

const ORDER = ["get", "list", "watch", "create", "patch", "delete"];

function verbsOf(verbs: readonly string[]): readonly string[] {
  return ["list", "watch", ...verbs].sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b));
}
