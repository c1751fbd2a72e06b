// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider, OVN_PROVIDER } from "../../api/annotations.ts";
import {
  CNI_ERROR,
  CNI_TYPE,
  type CniAttachment,
  type CniDns,
  type CniResult,
  type CniRoute,
} from "../../api/cni-message.ts";
import { unsupportedDevice } from "../../api/interface-types.ts";
import { CniError } from "./cni-error.ts";

/** One interface of one container: the validated body of ADD, DEL and CHECK. */
export interface PodRequest {
  /** The configuration belongs to another plugin, which requests only an address. */
  readonly ipamOnly: boolean;
  readonly provider: string;
  /** The network's name; undefined in requests of Kube-OVN's shim. */
  readonly network: string | undefined;
  /** "" in a DEL without CNI_ARGS. */
  readonly podName: string;
  readonly podNamespace: string;
  /** As sent by the runtime: for a static pod not the mirror pod's uid; undefined if the runtime does not send it. */
  readonly podUid: string | undefined;
  readonly containerId: string;
  /** A path; "" where the namespace is gone. */
  readonly netns: string;
  readonly ifName: string;
  readonly routes: readonly CniRoute[];
  readonly dns: CniDns | undefined;
  readonly prevResult: CniResult | undefined;
  /** The shim's request id; absent in requests of Kube-OVN's shim. */
  readonly requestId?: string;
  /** How long the shim waits for the answer, in ms from when the request arrives; absent in requests of Kube-OVN's shim. */
  readonly timeoutMs?: number;
}

/** The key of an attachment on this node: CNI SPEC 1.1 uses (container id, interface name). */
export function attachmentKey(request: { readonly containerId: string; readonly ifName: string }): string {
  return `${request.containerId}/${request.ifName}`;
}

/** The format of CNI_CONTAINERID; it becomes part of interface names and of a lookup key. */
const CONTAINER_ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,255}$/;
/**
 * Written to logs and to the database. An id of another format is ignored, because it is not a reason to refuse a pod
 * its network.
 */
const REQUEST_ID = /^[\w.-]{1,64}$/;
const IF_NAME = /^(?!\.{1,2}$)[^/:\s]{1,15}$/;

/**
 * Validates the body of `add`, `del` or `check`.
 * @throws CniError 6 or 7 naming the key that is wrong.
 */
export function readPodRequest(body: unknown, verb: "add" | "del" | "check"): PodRequest {
  const keys = objectOf(body);
  const request: PodRequest = {
    ...readNetwork(keys),
    podName: textOf(keys, "pod_name"),
    podNamespace: textOf(keys, "pod_namespace"),
    podUid: textOf(keys, "pod_uid") || undefined,
    containerId: textOf(keys, "container_id"),
    netns: textOf(keys, "net_ns"),
    // Kube-OVN's shim omits the name for a pod's primary interface.
    ifName: textOf(keys, "if_name") || "eth0",
    routes: listOf(keys, "routes").map(routeOf),
    dns: optionalObject(keys, "dns"),
    prevResult: optionalObject(keys, "prev_result") as CniResult | undefined,
    ...requestIdOf(keys["request_id"]),
    ...timeoutOf(keys["timeout_ms"]),
  };
  if (!CONTAINER_ID.test(request.containerId)) throw wrong("container_id", "is missing or is not a container id");
  if (!IF_NAME.test(request.ifName)) throw wrong("if_name", "is not a valid interface name");
  if (verb === "add" && !request.ipamOnly) refuseDevice(keys);
  if (verb !== "del") {
    requireProvider(keys);
    if (request.podName === "" || request.podNamespace === "") throw wrong("pod_name", "or pod_namespace is missing");
    if (!request.ipamOnly && request.netns === "") throw wrong("net_ns", "is missing");
  }
  return request;
}

/** The network that a request is about. */
export type NetworkOf = Pick<PodRequest, "ipamOnly" | "provider" | "network">;

function readNetwork(keys: Readonly<Record<string, unknown>>): NetworkOf {
  return {
    ipamOnly: typeOf(keys) !== CNI_TYPE,
    provider: textOf(keys, "provider") || OVN_PROVIDER,
    network: textOf(keys, "network_name") || undefined,
  };
}

/** A request for a device must not get a veth pair instead. */
function refuseDevice(keys: Readonly<Record<string, unknown>>): void {
  const unsupported = unsupportedDevice(keys);
  if (unsupported === undefined) return;
  const network = textOf(keys, "network_name");
  const where = network === "" ? "the network configuration" : `the network configuration ${network}`;
  throw new CniError(CNI_ERROR.unsupportedField, `${where} ${unsupported}`, {
    details:
      "Multus adds deviceID where the NetworkAttachmentDefinition has the annotation k8s.v1.cni.cncf.io/resourceName",
  });
}

function requestIdOf(value: unknown): { readonly requestId?: string } {
  return typeof value === "string" && REQUEST_ID.test(value) ? { requestId: value } : {};
}

/** A time that is none is ignored: it is not a reason to refuse a pod its network either. */
function timeoutOf(value: unknown): { readonly timeoutMs?: number } {
  return typeof value === "number" && value > 0 ? { timeoutMs: value } : {};
}

function typeOf(keys: Readonly<Record<string, unknown>>): string {
  return textOf(keys, "cni_type") || CNI_TYPE;
}

/** Annotation names begin with it, so it must be a DNS subdomain. */
const PROVIDER = /^[a-z0-9]([-a-z0-9.]{0,200}[a-z0-9])?$/;

/**
 * An ADD with a wrong provider would wait until its deadline, or use another interface's allocation: an IPAM without a provider
 * would give the pod's primary address to a second interface. DEL and GC accept any provider: an ADD with it has
 * created nothing.
 */
function requireProvider(keys: Readonly<Record<string, unknown>>): void {
  const { ipamOnly, provider } = readNetwork(keys);
  const quoted = JSON.stringify(provider);
  if (!PROVIDER.test(provider)) {
    throw wrong("provider", `${quoted} cannot begin an annotation's name; it is <name>.<namespace> of a network`);
  }
  if (!ipamOnly && !isOvnProvider(provider)) {
    const advice = `name the network's provider "${provider}.ovn", or let another plugin create the interface and request addresses with "ipam": {"type": "${CNI_TYPE}", "provider": "${provider}"}`;
    throw wrong("provider", `${quoted} must end in .ovn for plugin ${CNI_TYPE}`, advice);
  }
  if (ipamOnly && isOvnProvider(provider)) {
    const advice = `"ipam": {"type": "${CNI_TYPE}", "provider": "<name>.<namespace>"}, with name and namespace of the NetworkAttachmentDefinition`;
    const why = `${provider === OVN_PROVIDER ? "is missing" : quoted}: OVN's interfaces end in .ovn, and plugin ${typeOf(keys)} makes another kind`;
    throw wrong("provider", why, advice);
  }
}

/**
 * Validates the body of `status`.
 * @throws CniError 6 or 7: an ADD of that network would be refused.
 */
export function checkStatusRequest(body: unknown): void {
  requireProvider(objectOf(body));
}

/** The validated body of GC. It is about one network; attachments of other networks are in other lists. */
export interface GcRequest extends NetworkOf {
  readonly valid: readonly CniAttachment[];
}

/**
 * Validates the body of `gc`.
 * @throws CniError 6 or 7; a list that is missing or malformed must never be read as an empty list.
 */
export function readGcRequest(body: unknown): GcRequest {
  const keys = objectOf(body);
  if (!Array.isArray(keys["valid_attachments"])) throw wrong("valid_attachments", "is not a list");
  const valid = listOf(keys, "valid_attachments").map((entry) => {
    const { containerID, ifname } = objectOf(entry);
    if (typeof containerID === "string" && typeof ifname === "string") return { containerID, ifname };
    throw wrong("valid_attachments", "has an entry that is not {containerID, ifname}");
  });
  return { ...readNetwork(keys), valid };
}

function routeOf(entry: unknown): CniRoute {
  const { dst, gw } = objectOf(entry);
  const text = (value: unknown): value is string | undefined => value === undefined || typeof value === "string";
  if (!text(dst) || !text(gw)) throw wrong("routes", "has an entry that is not {dst, gw}");
  return { ...(dst ? { dst } : {}), ...(gw ? { gw } : {}) };
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw new CniError(CNI_ERROR.decodingFailure, "the request is not a JSON object");
}

function optionalObject(
  keys: Readonly<Record<string, unknown>>,
  key: string,
): Readonly<Record<string, unknown>> | undefined {
  const value = keys[key];
  return value === undefined || value === null ? undefined : objectOf(value);
}

function listOf(keys: Readonly<Record<string, unknown>>, key: string): readonly unknown[] {
  const value = keys[key];
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw wrong(key, "is not a list");
}

function textOf(keys: Readonly<Record<string, unknown>>, key: string): string {
  const value = keys[key];
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  throw wrong(key, "is not a string");
}

function wrong(key: string, why: string, details = ""): CniError {
  return new CniError(CNI_ERROR.invalidConfig, `bad request: ${key} ${why}`, { details });
}
