// SPDX-License-Identifier: Apache-2.0

import { ipamAttachmentProvider, ovnAttachmentProvider } from "../api/annotations.ts";
import { unsupportedDevice, unsupportedResource } from "../api/interface-types.ts";
import { isObject } from "../collections/plain.ts";
import type { ProjectedMeta } from "./meta.ts";
import type { NetworkAttachmentFact } from "./network-attachment.ts";

/** The name of our plugin, as `type` of an interface or of its `ipam`. */
const PLUGIN = "kube-ovn";

/** What {@link projectAttachment} reads of a NetworkAttachmentDefinition. */
export interface AttachmentObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: { readonly config?: string };
}

type Meaning = Pick<NetworkAttachmentFact, "wants" | "problem" | "unsupported">;
type Loose = Readonly<Record<string, unknown>>;

/**
 * The fact of a NetworkAttachmentDefinition: whether its configuration (of one CNI plugin, or a list with `plugins`) concerns us, and how. Its
 * provider must be the one that Kube-OVN derives from the definition's name, because pods' annotations and Subnets use that.
 */
export function projectAttachment({ metadata, spec }: AttachmentObject): NetworkAttachmentFact {
  const { name, namespace = "default" } = metadata;
  const meaning = meaningOf(spec?.config ?? "", name, namespace);
  // Devices of other plugins do not concern us.
  const problem = meaning.wants === "ovn" ? unsupportedResource(metadata.annotations) : undefined;
  const found = problem === undefined ? meaning : unsupported(problem);
  return { key: `${namespace}/${name}`, namespace, name, ...found };
}

function meaningOf(text: string, name: string, namespace: string): Meaning {
  // Without a configuration, the configuration is a file on the node.
  if (text.trim() === "") return { wants: "other", problem: "" };
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    return unclear("spec.config is not valid JSON; it must be a CNI configuration, or a list of them in plugins");
  }
  if (!isObject(config)) return unclear("spec.config is not a JSON object; it must be a CNI configuration");
  const list = config["plugins"];
  if (list !== undefined && !(Array.isArray(list) && list.every(isObject)))
    return unclear("plugins in spec.config must be a list of CNI configurations");
  const plugins: readonly Loose[] = list === undefined ? [config] : list;
  const own = plugins.find(({ type }) => type === PLUGIN);
  const device = own && unsupportedDevice(own);
  if (device !== undefined) return unsupported(`spec.config ${device}`);
  if (own !== undefined) return known("ovn", "spec.config", own, ovnAttachmentProvider(name, namespace));
  const ipam = plugins.map((plugin) => plugin["ipam"]).find((part) => isObject(part) && part["type"] === PLUGIN);
  if (isObject(ipam)) return known("ipam", "ipam in spec.config", ipam, ipamAttachmentProvider(name, namespace));
  return { wants: "other", problem: "" };
}

function known(wants: "ovn" | "ipam", where: string, part: Loose, provider: string): Meaning {
  if (part["provider"] === provider) return { wants, problem: "" };
  const found = part["provider"] === undefined ? "no provider" : `the provider ${JSON.stringify(part["provider"])}`;
  return unclear(`${where} has ${found.slice(0, 300)}; it must be "${provider}"`);
}

function unsupported(problem: string): Meaning {
  return { ...unclear(problem), unsupported: true };
}

function unclear(problem: string): Meaning {
  return { wants: "unclear", problem };
}
