// SPDX-License-Identifier: Apache-2.0

import { CNI_ERROR } from "../api/cni-message.ts";
import { PluginError } from "./errors.ts";

/** The verbs of CNI SPEC 1.1, section 2 "CNI operations". */
export type Verb = "ADD" | "DEL" | "CHECK" | "STATUS" | "GC" | "VERSION";

/** The parameters of one call, read from the environment; a parameter that the verb does not need is "" if absent. */
export interface Invocation {
  readonly verb: Verb;
  readonly containerId: string;
  readonly netns: string;
  readonly ifName: string;
  /** CNI_ARGS as key → value; kubelet's runtimes put K8S_POD_NAME, K8S_POD_NAMESPACE and K8S_POD_UID there. */
  readonly args: Readonly<Record<string, string>>;
}

type Variable = "CNI_CONTAINERID" | "CNI_NETNS" | "CNI_IFNAME";

/** The variables that each verb requires (CNI SPEC 1.1, each operation's "Input"). CNI_PATH is not used. */
const REQUIRED: Readonly<Record<Verb, readonly Variable[]>> = {
  ADD: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
  DEL: ["CNI_CONTAINERID", "CNI_IFNAME"],
  CHECK: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
  STATUS: [],
  GC: [],
  VERSION: [],
};

/** CNI SPEC 1.1 "Parameters": a container id starts with an alphanumeric, followed by alphanumerics, "_", "." or "-". */
const CONTAINER_ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
/** Linux: IFNAMSIZ less the terminating zero. */
const IF_NAME_MAX = 15;

/**
 * Reads and validates the call's parameters.
 * @throws PluginError code 4 naming every variable that is missing, or the one that is malformed.
 */
export function readInvocation(env: Readonly<Record<string, string | undefined>>): Invocation {
  const verb = env["CNI_COMMAND"] ?? "";
  if (verb === "") throw invalid("required environment variable CNI_COMMAND is missing");
  if (!isVerb(verb)) {
    throw invalid(`unknown CNI_COMMAND "${verb}"`, `known: ${Object.keys(REQUIRED).join(", ")}`);
  }
  const missing = REQUIRED[verb].filter((name) => !env[name]);
  if (missing.length > 0) throw invalid(`required environment variables missing for ${verb}: ${missing.join(", ")}`);

  const containerId = env["CNI_CONTAINERID"] ?? "";
  if (containerId !== "" && !CONTAINER_ID.test(containerId)) {
    throw invalid(`CNI_CONTAINERID "${containerId}" has characters that a container id cannot have`);
  }
  const ifName = env["CNI_IFNAME"] ?? "";
  const fault = ifName === "" ? undefined : ifNameFault(ifName);
  if (fault !== undefined) throw invalid(`CNI_IFNAME "${ifName}" ${fault}`);
  return { verb, containerId, netns: env["CNI_NETNS"] ?? "", ifName, args: parseArgs(env["CNI_ARGS"] ?? "") };
}

function isVerb(text: string): text is Verb {
  return Object.hasOwn(REQUIRED, text);
}

/** The kernel's own rules for an interface name (net/core/dev.c, dev_valid_name). */
function ifNameFault(name: string): string | undefined {
  if (name.length > IF_NAME_MAX) return `is longer than ${IF_NAME_MAX} characters`;
  if (name === "." || name === "..") return "is not a valid name";
  if (/[/:\s]/.test(name)) return `must not contain "/", ":" or white space`;
  return undefined;
}

/** `A=1;B=2` (CNI SPEC 1.1, CNI_ARGS); a part without "=" is skipped, as other plugins do with IgnoreUnknown. */
function parseArgs(text: string): Readonly<Record<string, string>> {
  const args: Record<string, string> = {};
  for (const part of text.split(";")) {
    const at = part.indexOf("=");
    if (at > 0) args[part.slice(0, at)] = part.slice(at + 1);
  }
  return args;
}

function invalid(message: string, details = ""): PluginError {
  return new PluginError(CNI_ERROR.invalidEnvironment, message, details);
}
