// SPDX-License-Identifier: Apache-2.0

import type { ObjectName } from "../../page/contract.ts";
import { linkTo } from "../model/route.ts";

/** The address of the view of an object; undefined for a kind without one. */
export function viewUrl({ kind, namespace, name }: ObjectName): string | undefined {
  switch (kind) {
    case "Pod":
      return linkTo("pods", [namespace ?? "", name]);
    case "Node":
      return linkTo("nodes", [name]);
    case "Subnet":
      return linkTo("subnets", [name]);
    case "Vpc":
      return linkTo("topology", [`vpc/${name}`]);
    case "NetworkPolicy":
      return linkTo("policies", [kind, namespace ?? "", name]);
    case "AdminNetworkPolicy":
    case "BaselineAdminNetworkPolicy":
    case "ClusterNetworkPolicy":
    case "SecurityGroup":
      return linkTo("policies", [kind, name]);
    default:
      return undefined;
  }
}

/** `namespace/name`, or the name. */
export function nameOf({ namespace, name }: Pick<ObjectName, "namespace" | "name">): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** The name of an object, as a link where it has a view. `kind`: whether to write its kind before it. */
export function ObjectLink({ of, kind = false }: { readonly of: ObjectName; readonly kind?: boolean }) {
  const address = viewUrl(of);
  const text = kind ? `${of.kind} ${nameOf(of)}` : nameOf(of);
  return address === undefined ? <span>{text}</span> : <a href={address}>{text}</a>;
}

/** Names as a list of links. */
export function ObjectList({ of, kind = false }: { readonly of: readonly ObjectName[]; readonly kind?: boolean }) {
  return (
    <ul class="lines">
      {of.map((one) => (
        <li key={`${one.kind} ${nameOf(one)}`}>
          <ObjectLink of={one} kind={kind} />
        </li>
      ))}
    </ul>
  );
}
