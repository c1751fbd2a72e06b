import {
  CNI_ERROR,
  CNI_TYPE,
  type CniAttachment,
  type CniDns,
  type CniResult,
  type CniRoute,
} from "../api/cni-message.ts";
import { CniError } from "./cni-error.ts";

/** One interface of one container: the body of ADD, DEL and CHECK, checked. */
export interface PodRequest {
  /** The configuration is another plugin's and wants an address only. */
  readonly ipamOnly: boolean;
  readonly provider: string;
  /** "" where a DEL came without CNI_ARGS. */
  readonly podName: string;
  readonly podNamespace: string;
  /** As the runtime gave it: for a static pod not the mirror pod's uid; undefined where the runtime gives none. */
  readonly podUid: string | undefined;
  readonly containerId: string;
  /** A path; "" where the namespace is gone. */
  readonly netns: string;
  readonly ifName: string;
  readonly routes: readonly CniRoute[];
  readonly dns: CniDns | undefined;
  readonly prevResult: CniResult | undefined;
}

/** What tells one attachment from another on this node: CNI SPEC 1.1 makes (container id, interface name) its key. */
export function attachmentKey(request: { readonly containerId: string; readonly ifName: string }): string {
  return `${request.containerId}/${request.ifName}`;
}

/** As it stands in CNI_CONTAINERID; it becomes part of interface names and of a lookup key. */
const CONTAINER_ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,255}$/;
const IF_NAME = /^(?!\.{1,2}$)[^/:\s]{1,15}$/;

/**
 * Checks the body of `add`, `del` or `check`.
 * @throws CniError 6 or 7 naming the key that is wrong.
 */
export function readPodRequest(body: unknown, verb: "add" | "del" | "check"): PodRequest {
  const keys = objectOf(body);
  const request: PodRequest = {
    ipamOnly: (textOf(keys, "cni_type") || CNI_TYPE) !== CNI_TYPE,
    provider: textOf(keys, "provider") || "ovn",
    podName: textOf(keys, "pod_name"),
    podNamespace: textOf(keys, "pod_namespace"),
    podUid: textOf(keys, "pod_uid") || undefined,
    containerId: textOf(keys, "container_id"),
    netns: textOf(keys, "net_ns"),
    // Kube-OVN's shim leaves the name out for a pod's own interface.
    ifName: textOf(keys, "if_name") || "eth0",
    routes: listOf(keys, "routes").map(routeOf),
    dns: optionalObject(keys, "dns"),
    prevResult: optionalObject(keys, "prev_result") as CniResult | undefined,
  };
  if (!CONTAINER_ID.test(request.containerId)) throw wrong("container_id", "is missing or no container id");
  if (!IF_NAME.test(request.ifName)) throw wrong("if_name", "is no interface name");
  if (verb !== "del") {
    if (request.podName === "" || request.podNamespace === "") throw wrong("pod_name", "or pod_namespace is missing");
    if (!request.ipamOnly && request.netns === "") throw wrong("net_ns", "is missing");
  }
  return request;
}

/** The body of GC, checked. */
export interface GcRequest {
  /** GC is about one network; attachments of other providers are other networks'. */
  readonly provider: string;
  readonly valid: readonly CniAttachment[];
}

/**
 * Checks the body of `gc`.
 * @throws CniError 6 or 7; a list that is absent or misread must never pass for "nothing is valid".
 */
export function readGcRequest(body: unknown): GcRequest {
  const keys = objectOf(body);
  if (!Array.isArray(keys["valid_attachments"])) throw wrong("valid_attachments", "is no list");
  const valid = listOf(keys, "valid_attachments").map((entry) => {
    const { containerID, ifname } = objectOf(entry);
    if (typeof containerID === "string" && typeof ifname === "string") return { containerID, ifname };
    throw wrong("valid_attachments", "has an entry that is no {containerID, ifname}");
  });
  return { provider: textOf(keys, "provider") || "ovn", valid };
}

function routeOf(entry: unknown): CniRoute {
  const { dst, gw } = objectOf(entry);
  const text = (value: unknown): value is string | undefined => value === undefined || typeof value === "string";
  if (!text(dst) || !text(gw)) throw wrong("routes", "has an entry that is no {dst, gw}");
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
  throw wrong(key, "is no list");
}

function textOf(keys: Readonly<Record<string, unknown>>, key: string): string {
  const value = keys[key];
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  throw wrong(key, "is not a string");
}

function wrong(key: string, why: string): CniError {
  return new CniError(CNI_ERROR.invalidConfig, `bad request: ${key} ${why}`);
}
