// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER } from "../api/annotations.ts";
import { vpcOfNamespace } from "../claims/namespace-subnets.ts";
import type { Malformed } from "../facts/meta.ts";
import type { FactReader } from "../facts/store.ts";
import type { SubnetFact } from "../facts/subnet.ts";
import type { VpcFact } from "../facts/vpc.ts";
import type { Note } from "./effects.ts";

/** Missing namespaces that an object refers to. They may be created later: the object is accepted nevertheless. */
export function missingNamespaces(reader: FactReader, names: readonly string[], field: string): readonly Note[] {
  const missing = [...new Set(names)].filter((name) => reader.get("namespaces", name) === undefined);
  if (missing.length === 0) return [];
  return [{ reason: "NamespaceNotFound", message: `${field} names namespaces that do not exist: ${listed(missing)}` }];
}

/** Missing objects that a Subnet refers to, except its VPC, without which it is not accepted, and its gateway nodes. */
export function subnetReferences(reader: FactReader, { namespaces, provider }: SubnetFact): readonly Note[] {
  return [...missingNamespaces(reader, namespaces, "spec.namespaces"), ...missingNetwork(reader, provider)];
}

/** The network of a provider `<name>.<namespace>`, with the suffix `.ovn` if the interface is on OVN. */
function missingNetwork(reader: FactReader, provider: string): readonly Note[] {
  if (provider === OVN_PROVIDER || reader.get("served", "attachments") === undefined) return [];
  const parts = provider.split(".");
  if (parts.at(-1) === OVN_PROVIDER) parts.pop();
  const namespace = parts.pop() ?? "";
  const name = parts.join(".");
  if (name !== "" && reader.get("attachments", `${namespace}/${name}`) !== undefined) return [];
  const what =
    name === ""
      ? `is not <name>.<namespace> of a NetworkAttachmentDefinition`
      : `names NetworkAttachmentDefinition ${namespace}/${name}, which does not exist`;
  return [{ reason: "NetworkNotFound", message: `spec.provider "${provider}" ${what}` }];
}

/** Objects that a VPC refers to and that are missing, or belong to another VPC. */
export function vpcReferences(reader: FactReader, vpc: VpcFact): readonly Note[] {
  const notes = [...missingNamespaces(reader, vpc.namespaces, "spec.namespaces")];
  if (vpc.defaultSubnet !== "") {
    const subnet = reader.get("subnets", vpc.defaultSubnet);
    const lost = "pods of its namespaces get no address from it";
    if (subnet === undefined)
      notes.push({
        reason: "SubnetNotFound",
        message: `subnet "${vpc.defaultSubnet}" (spec.defaultSubnet) does not exist: ${lost}`,
      });
    else if (subnet.vpc !== vpc.name) {
      const message = `subnet "${subnet.name}" (spec.defaultSubnet) is in VPC "${subnet.vpc}": ${lost}`;
      notes.push({ reason: "SubnetNotFound", message });
    }
  }
  if (vpc.isDefault) return notes;
  for (const other of vpc.namespaces.length === 0 ? [] : reader.all("vpcs")) {
    if (other.name === vpc.name || other.isDefault) continue;
    const shared = vpc.namespaces.filter((name) => other.namespaces.includes(name));
    if (shared.length === 0) continue;
    const won = shared.every((name) => vpcOfNamespace(reader, name)?.name === vpc.name);
    const whose = won ? "this VPC, the older one, has them" : "the older VPC has them";
    const message = `VPC "${other.name}" also has these namespaces in spec.namespaces: ${listed(shared)}; ${whose}`;
    notes.push({ reason: "NamespaceConflict", message });
  }
  return notes;
}

/** Fields whose type differs from the CRD: the object may be older, or the CRD in the cluster less strict. */
export function malformedNotes({ malformed = [] }: Malformed): readonly Note[] {
  return malformed.map(({ path, message }) => ({ reason: "MalformedField", message: `${path}: ${message}` }));
}

/** Fields of an object that are not supported. */
export function unsupportedNotes({ unsupported }: { readonly unsupported: readonly string[] }): readonly Note[] {
  if (unsupported.length === 0) return [];
  const fields = unsupported.map((path) => `spec.${path}`).join(", ");
  return [{ reason: "NotSupported", message: `these fields are not supported and have no effect: ${fields}` }];
}

function listed(names: readonly string[]): string {
  const shown = names
    .slice(0, 5)
    .map((name) => `"${name}"`)
    .join(", ");
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
