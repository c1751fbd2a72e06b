// SPDX-License-Identifier: Apache-2.0

import { execFile, spawn } from "node:child_process";
import type { HasRight } from "./rights.ts";
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
    ...["-n", namespace, "exec", ...(interactive ? ["-it"] : []), pod, "-c", container, "--", ...command],
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

/** What kubectl prints, 64 MiB at most. Rejects with {@link ToolError}, which has the last line of its errors. */
export function captureKubectl(args: readonly string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  execFile("kubectl", args, { maxBuffer: 64 * 2 ** 20, timeout: 60_000 }, (error, stdout, stderr) => {
    if (error === null) resolve(stdout);
    else reject(new ToolError(stderr.trim().split("\n").at(-1) || error.message, { cause: error }));
  });
  return promise;
}

/** The arguments of kubectl for the logs of a part of Weft: of all its pods, or of the one on `node`. */
export function logArguments(
  { kubeconfig, context }: KubectlOptions,
  namespace: string,
  part: keyof typeof PARTS,
  { pod, follow, since }: { readonly pod?: string; readonly follow?: boolean; readonly since?: string },
): readonly string[] {
  const [app, container] = PARTS[part];
  return [
    ...(kubeconfig === undefined ? [] : [`--kubeconfig=${kubeconfig}`]),
    ...(context === undefined ? [] : [`--context=${context}`]),
    ...["-n", namespace, "logs", "-c", container, ...(pod === undefined ? ["-l", `app=${app}`, "--prefix"] : [pod])],
    // Of several pods, kubectl shows ten lines of each otherwise, and follows five at once.
    ...["--tail=-1", "--max-log-requests=500"],
    ...(follow ? ["-f"] : []),
    ...(since === undefined ? [] : [`--since=${since}`]),
  ];
}

/** The parts of Weft that have logs: label `app` of their pods, and the container. */
export const PARTS = {
  controller: ["kube-ovn-controller", "kube-ovn-controller"],
  daemon: ["kube-ovn-cni", "cni-server"],
  central: ["ovn-central", "ovn-central"],
  ovs: ["ovs", "openvswitch"],
} as const;

/** Asks the API server, by `kubectl auth can-i`, whether this account has a right. Rejects with {@link ToolError} where there is no answer. */
export function canI({ kubeconfig, context }: KubectlOptions): HasRight {
  return ({ verb, resource, subresource, namespace }) => {
    const args = [
      ...(kubeconfig === undefined ? [] : [`--kubeconfig=${kubeconfig}`]),
      ...(context === undefined ? [] : [`--context=${context}`]),
      ...["auth", "can-i", verb, resource, `--subresource=${subresource}`, "-n", namespace],
    ];
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    execFile("kubectl", args, { timeout: 60_000 }, (error, stdout, stderr) => {
      // It ends with 1 where the answer is no.
      const answer = stdout.trim().split(/\s/, 1)[0];
      if (answer === "yes" || answer === "no") resolve(answer === "yes");
      else reject(new ToolError(stderr.trim().split("\n").at(-1) || `kubectl: ${error?.message}`, { cause: error }));
    });
    return promise;
  };
}
