// SPDX-License-Identifier: Apache-2.0

import type { Exec } from "../../../hack/traffic/probe.ts";
import { podCommands as commandsOf } from "../../../src/cli/tools/pod-commands.ts";
import type { NodeAnswers } from "../../../src/cli/trace/on-nodes.ts";
import { inContainer, PROGRAM } from "./processes.ts";
import type { World } from "./world.ts";

/** Runs commands with the programs of a node's Open vSwitch, which are in its container only. */
export function inOpenVswitch(world: World, node: string): Exec {
  return (command) => {
    const [pod] = world.own("ovs", node);
    if (pod === undefined) throw new Error(`no pod of ovs-ovn runs on ${node}`);
    return inContainer(pod.metadata.uid, PROGRAM.ovnController, command, { allowFailure: true });
  };
}

/** How weftctl runs commands in Weft's pods of the lab: as an administrator. */
export function podCommands(world: World): NodeAnswers {
  return { kube: world.kube, namespace: "kube-system", ...commandsOf(world, "kube-system") };
}
