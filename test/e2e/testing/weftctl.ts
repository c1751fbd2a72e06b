// SPDX-License-Identifier: Apache-2.0

import { delimiter } from "node:path";
import type { Exec } from "../../../hack/traffic/probe.ts";
import { captureKubectl, execArguments, startKubectl } from "../../../src/cli/tools/kubectl.ts";
import type { ToolTarget } from "../../../src/cli/tools/targets.ts";
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

/** How weftctl runs commands in Weft's pods of the lab: as an administrator, with the lab's kubectl. */
export function podCommands(world: World): NodeAnswers {
  const { bin, kubeconfig } = world.lab.paths;
  if (!process.env["PATH"]?.startsWith(bin)) process.env["PATH"] = `${bin}${delimiter}${process.env["PATH"]}`;
  const args = (target: ToolTarget): readonly string[] => execArguments({ kubeconfig }, "kube-system", target, false);
  return {
    ...{ kube: world.kube, namespace: "kube-system", permit: () => Promise.resolve() },
    capture: (target) => captureKubectl(args(target)),
    start: (target) => startKubectl(args(target)),
  };
}
