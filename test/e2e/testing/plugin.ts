// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { DEFAULT_SERVER_SOCKET } from "../../../src/api/cni-message.ts";
import type { World } from "./world.ts";

/** One run of a CNI plugin. */
export interface PluginRun {
  readonly code: number;
  /** Its output, as JSON; undefined if it printed nothing. */
  // biome-ignore lint/suspicious/noExplicitAny: a result, an error or a list of versions, depending on the version asked.
  readonly out: any;
}

/** The parameters that a container runtime passes to a plugin. Absent ones are not in the environment. */
export interface PluginParameters {
  readonly container?: string;
  readonly netns?: string;
  readonly ifName?: string;
  readonly pod?: { readonly namespace: string; readonly name: string; readonly uid?: string };
}

/** The network configuration that a runtime derives from the conflist, in version `cniVersion`. */
export function configuration(cniVersion: string, more: object = {}): object {
  return { cniVersion, name: "kube-ovn", type: "kube-ovn", server_socket: DEFAULT_SERVER_SOCKET, ...more };
}

/**
 * Runs the node's installed shim as a runtime does, or the plugin that `program` names; `stdin` is a configuration, or text that is written
 * unchanged.
 */
export async function callPlugin(
  world: World,
  node: string,
  verb: string,
  stdin: object | string,
  { container, netns, ifName = "eth0", pod }: PluginParameters = {},
  program = "kube-ovn",
): Promise<PluginRun> {
  const environment = {
    CNI_COMMAND: verb,
    CNI_PATH: "/opt/cni/bin",
    CNI_IFNAME: ifName,
    ...(container === undefined ? {} : { CNI_CONTAINERID: container }),
    ...(netns === undefined ? {} : { CNI_NETNS: netns }),
    ...(pod === undefined
      ? {}
      : {
          CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${pod.namespace};K8S_POD_NAME=${pod.name}${pod.uid === undefined ? "" : `;K8S_POD_UID=${pod.uid}`}`,
        }),
  };
  const assignments = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const { code, stdout } = await world.lab.node(node).exec(["env", ...assignments, `/opt/cni/bin/${program}`], {
    input: typeof stdin === "string" ? stdin : JSON.stringify(stdin),
    allowFailure: true,
    timeoutMs: 120_000,
  });
  return { code, out: stdout === "" ? undefined : JSON.parse(stdout) };
}

/** Creates a network namespace in a node as a runtime would, during a test. Returns its path there. */
export async function makeNetns(t: Test, world: World, node: string, name: string): Promise<string> {
  const space = world.lab.node(node);
  await space.exec(["ip", "netns", "delete", name], { allowFailure: true });
  await space.exec(["ip", "netns", "add", name]);
  await space.exec(["ip", "-n", name, "link", "set", "lo", "up"]);
  t.teardown(() => space.exec(["ip", "netns", "delete", name], { allowFailure: true }));
  return `/run/netns/${name}`;
}
