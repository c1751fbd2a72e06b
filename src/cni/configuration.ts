// SPDX-License-Identifier: Apache-2.0

import {
  CNI_ERROR,
  CNI_TYPE,
  CNI_VERSIONS,
  type CniAttachment,
  type CniDns,
  type CniResult,
  type CniRoute,
  type CniVersion,
  DEFAULT_SERVER_SOCKET,
} from "../api/cni-message.ts";
import type { Verb } from "./environment.ts";
import { PluginError } from "./errors.ts";

/** The fields of the network configuration on stdin that the shim reads. */
export interface Configuration {
  readonly cniVersion: CniVersion;
  /** The network's name. */
  readonly name: string;
  readonly type: string;
  readonly serverSocket: string;
  readonly provider: string;
  readonly routes: readonly CniRoute[];
  readonly dns: CniDns | undefined;
  /** SR-IOV and DPDK keys, passed on unchanged. */
  readonly device: Readonly<Record<string, string>>;
  /** The result of the earlier plugins in the list; undefined if there is none. */
  readonly prevResult: CniResult | undefined;
  /** `cni.dev/valid-attachments` of GC; undefined if the key is absent, which differs from an empty list. */
  readonly validAttachments: readonly CniAttachment[] | undefined;
}

/** The newest version, for answers to a configuration that names none or an unknown one. */
const NEWEST: CniVersion = "1.1.0";

/** The version from which a verb exists (CNI SPEC changelog). */
const SINCE: Readonly<Record<Verb, CniVersion>> = {
  ADD: "0.3.0",
  DEL: "0.3.0",
  VERSION: "0.3.0",
  CHECK: "0.4.0",
  STATUS: "1.1.0",
  GC: "1.1.0",
};

/** CNI SPEC 1.1 "Network configuration format": a network name has the form of a container id. */
const NETWORK_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

const DEVICE_KEYS = [
  "deviceID",
  "vf_driver",
  "vhost_user_socket_volume_name",
  "vhost_user_socket_name",
  "vhost_user_socket_consumption",
];

/**
 * Parses and validates the configuration.
 * @throws PluginError 6 if it is not a JSON object, 1 if its version is unknown or too old for the verb, 7 if a field
 * is invalid.
 */
export function readConfiguration(text: string, verb: Verb): Configuration {
  const conf = parseObject(text);
  const cniVersion = versionOf(conf);
  if (CNI_VERSIONS.indexOf(cniVersion) < CNI_VERSIONS.indexOf(SINCE[verb])) {
    throw new PluginError(
      CNI_ERROR.incompatibleVersion,
      `configuration version ${cniVersion} does not allow ${verb}`,
      `${verb} exists since ${SINCE[verb]}`,
    );
  }
  const name = textOf(conf, "name");
  if (name === "") throw wrong("missing network name");
  if (!NETWORK_NAME.test(name)) throw wrong(`"${name}" is not a valid network name`);
  const prevResult = optionalObject(conf, "prevResult");
  if (verb === "CHECK" && prevResult === undefined) throw wrong("CHECK needs prevResult, the result of the ADD");
  const validAttachments = attachments(conf["cni.dev/valid-attachments"]);
  if (verb === "GC" && validAttachments === undefined) {
    // Without the list, every running pod's network would be removed as not being in it.
    throw wrong("GC needs cni.dev/valid-attachments; an empty list means that no attachment is valid");
  }

  const type = textOf(conf, "type");
  const ipam = optionalObject(conf, "ipam");
  const source = ipam !== undefined && type !== CNI_TYPE && ipam["type"] === CNI_TYPE ? ipam : conf;
  return {
    cniVersion,
    name,
    type,
    serverSocket: textOf(source, "server_socket") || DEFAULT_SERVER_SOCKET,
    provider: textOf(source, "provider") || "ovn",
    routes: routesOf(source["routes"]),
    dns: optionalObject(conf, "dns"),
    device: Object.fromEntries(DEVICE_KEYS.map((key) => [key, textOf(conf, key)]).filter(([, value]) => value !== "")),
    prevResult: prevResult as CniResult | undefined,
    validAttachments,
  };
}

/** The version to print in an error or in VERSION's answer for a configuration of any content. */
export function versionForAnswer(text: string): CniVersion {
  try {
    return versionOf(parseObject(text));
  } catch {
    return NEWEST;
  }
}

function versionOf(conf: Readonly<Record<string, unknown>>): CniVersion {
  // CNI SPEC: a configuration without a version has version 0.1.0.
  const asked = conf["cniVersion"] ?? "0.1.0";
  const known = CNI_VERSIONS.find((version) => version === asked);
  if (known !== undefined) return known;
  throw new PluginError(
    CNI_ERROR.incompatibleVersion,
    "incompatible CNI versions",
    `the configuration has version ${JSON.stringify(asked)}, this plugin supports ${CNI_VERSIONS.join(", ")}`,
  );
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const details = cause instanceof Error ? cause.message : "";
    throw new PluginError(CNI_ERROR.decodingFailure, "the network configuration on stdin is not JSON", details, cause);
  }
  if (isObject(value)) return value;
  throw new PluginError(CNI_ERROR.decodingFailure, "the network configuration on stdin is not a JSON object");
}

function attachments(value: unknown): readonly CniAttachment[] | undefined {
  if (value === undefined) return undefined;
  // libcni writes a nil slice of Go as null: a runtime without attachments.
  if (value === null) return [];
  const good = (entry: unknown): entry is CniAttachment =>
    isObject(entry) && typeof entry["containerID"] === "string" && typeof entry["ifname"] === "string";
  if (Array.isArray(value) && value.every(good)) return value;
  // A misread entry would disconnect a running pod, so the whole list is refused.
  throw wrong("cni.dev/valid-attachments is not a list of {containerID, ifname}");
}

function routesOf(value: unknown): readonly CniRoute[] {
  if (value === undefined || value === null) return [];
  const good = (entry: unknown): entry is CniRoute =>
    isObject(entry) && ["dst", "gw"].every((key) => entry[key] === undefined || typeof entry[key] === "string");
  if (Array.isArray(value) && value.every(good)) return value;
  throw wrong("routes is not a list of {dst, gw}");
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function optionalObject(
  object: Readonly<Record<string, unknown>>,
  key: string,
): Readonly<Record<string, unknown>> | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  if (isObject(value)) return value;
  throw wrong(`${key} is not an object`);
}

function textOf(object: Readonly<Record<string, unknown>>, key: string): string {
  const value = object[key];
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  throw wrong(`${key} is not a string`);
}

function wrong(message: string): PluginError {
  return new PluginError(CNI_ERROR.invalidConfig, message);
}
