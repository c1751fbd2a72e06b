// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { ToolError } from "./targets.ts";

/** How kubectl is to reach the API server: as `weftctl` was told. */
export interface KubectlOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
}

/** The arguments of kubectl for a command in a container. */
export function execArguments(
  { kubeconfig, context }: KubectlOptions,
  namespace: string,
  {
    pod,
    container,
    command,
  }: { readonly pod: string; readonly container: string; readonly command: readonly string[] },
  interactive: boolean,
): readonly string[] {
  return [
    ...(kubeconfig === undefined ? [] : [`--kubeconfig=${kubeconfig}`]),
    ...(context === undefined ? [] : [`--context=${context}`]),
    ...["-n", namespace, "exec", ...(interactive ? ["-it"] : ["-i"]), pod, "-c", container, "--", ...command],
  ];
}

/** Runs kubectl with this process' terminal. Resolves with its exit code; rejects with {@link ToolError} where there is no kubectl. */
export function runKubectl(args: readonly string[]): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const child = spawn("kubectl", args, { stdio: "inherit" });
  child.once("error", (cause) =>
    reject(new ToolError("kubectl is not on the PATH; weftctl runs commands in pods through it", { cause })),
  );
  // Ctrl-C is the whole terminal's: what runs in the pod ends, and then kubectl.
  const ignore = (): void => undefined;
  process.on("SIGINT", ignore);
  child.once("close", (code) => {
    process.off("SIGINT", ignore);
    resolve(code ?? 2);
  });
  return promise;
}
