// SPDX-License-Identifier: Apache-2.0

import { execFile, spawn } from "node:child_process";
import type { HasRight } from "./rights.ts";
import { ToolError, type ToolTarget } from "./targets.ts";

/** How kubectl reaches the API server: the options of `weftctl`. */
export interface KubectlOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
}

/** Of a captured command. */
const DEADLINE_MS = 60_000;

/** The arguments of kubectl for a command in a container. */
export function execArguments(
  { kubeconfig, context }: KubectlOptions,
  namespace: string,
  { pod, container, command, endsWithInput }: ToolTarget,
  interactive: boolean,
): readonly string[] {
  return [
    ...(kubeconfig === undefined ? [] : [`--kubeconfig=${kubeconfig}`]),
    ...(context === undefined ? [] : [`--context=${context}`]),
    ...[
      "-n",
      namespace,
      "exec",
      ...(interactive ? ["-it"] : endsWithInput ? ["-i"] : []),
      pod,
      "-c",
      container,
      "--",
      ...command,
    ],
  ];
}

/**
 * Runs kubectl with this process' terminal; `held`: with an input that ends when this process does. Resolves with its
 * exit code; rejects with {@link ToolError} if there is no kubectl.
 */
export function runKubectl(args: readonly string[], held = false): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const child = spawn("kubectl", args, { stdio: [held ? "pipe" : "inherit", "inherit", "inherit"] });
  // Ctrl-C is sent to the whole terminal: the program in the pod ends, and then kubectl. Other signals are sent to
  // this process alone.
  const handlers = {
    SIGINT: (): void => undefined,
    SIGTERM: (): void => void child.kill("SIGTERM"),
    SIGHUP: (): void => void child.kill("SIGHUP"),
  };
  const signals = Object.entries(handlers) as readonly [NodeJS.Signals, () => void][];
  for (const [signal, handler] of signals) process.on(signal, handler);
  const ended = (): void => {
    for (const [signal, handler] of signals) process.off(signal, handler);
  };
  child.stdin?.on("error", () => undefined);
  child.once("error", (cause) => {
    ended();
    reject(kubectlError(cause, ""));
  });
  child.once("close", (code) => {
    ended();
    resolve(code ?? 2);
  });
  return promise;
}

/** Why kubectl gave no answer: it is missing, it timed out, or the last line of its errors. */
function kubectlError(
  cause: Error & { readonly code?: unknown; readonly killed?: boolean },
  stderr: string,
): ToolError {
  // kubectl's own last line says only that the command has failed; programs of Open vSwitch end with one like it.
  const last = stderr
    .trim()
    .split("\n")
    .findLast((line) => !/^command terminated with exit code|: server returned an error$/.test(line));
  if (cause.code === "ENOENT")
    return new ToolError("kubectl is not on the PATH; weftctl runs commands in pods through it", { cause });
  if (cause.killed === true) return new ToolError(`kubectl has not answered within ${DEADLINE_MS / 1000} s`, { cause });
  return new ToolError(last || `kubectl: ${cause.message}`, { cause });
}

/** The output of kubectl, 64 MiB at most. Rejects with {@link ToolError}, which has the last line of its errors. */
export function captureKubectl(args: readonly string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  execFile("kubectl", args, { maxBuffer: 64 * 2 ** 20, timeout: DEADLINE_MS }, (error, stdout, stderr) => {
    if (error === null) resolve(stdout);
    else reject(kubectlError(error, stderr));
  });
  return promise;
}

/** A command in a pod that runs until it is stopped. */
export interface RunningCommand {
  /** Resolves once its standard error has the text; rejects with {@link ToolError} if it ends before, or does not say it in time. */
  says(text: string): Promise<void>;
  /** Ends it, and resolves with its output, of which at most 1 MiB is kept. */
  stop(): Promise<string>;
}

/** Starts a command that ends with its input; see `endsWithInput` of `ToolTarget`. */
export function startKubectl(args: readonly string[]): RunningCommand {
  const child = spawn("kubectl", args, { stdio: ["pipe", "pipe", "pipe"], timeout: DEADLINE_MS });
  let [stdout, stderr] = ["", ""];
  let failure: ToolError | undefined;
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  child.once("error", (cause) => {
    failure = kubectlError(cause, "");
    resolve();
  });
  child.once("close", () => resolve());
  child.stdin.on("error", () => undefined);
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    if (stdout.length < 2 ** 20) stdout += part;
  });
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    stderr = (stderr + part).slice(-65_536);
  });
  return {
    async says(text) {
      const { promise, resolve: said } = Promise.withResolvers<void>();
      const look = (): void => void (stderr.includes(text) && said());
      child.stderr.on("data", look);
      look();
      await Promise.race([promise, closed]);
      child.stderr.off("data", look);
      if (!stderr.includes(text)) throw failure ?? kubectlError(new Error("the command has ended"), stderr);
    },
    async stop() {
      child.stdin.end();
      await closed;
      return stdout;
    },
  };
}

/** The arguments of kubectl for the logs of a component of Weft: of all its pods, or of the one on `node`. */
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
    // By default kubectl shows ten lines of each of several pods, and follows five at once.
    ...["--tail=-1", "--max-log-requests=500"],
    ...(follow ? ["-f"] : []),
    ...(since === undefined ? [] : [`--since=${since}`]),
  ];
}

/** The components of Weft that have logs: label `app` of their pods, and the container. */
export const PARTS = {
  controller: ["kube-ovn-controller", "kube-ovn-controller"],
  daemon: ["kube-ovn-cni", "cni-server"],
  central: ["ovn-central", "ovn-central"],
  ovs: ["ovs", "openvswitch"],
} as const;

/**
 * Asks the API server, by `kubectl auth can-i`, whether this account has a right. Rejects with {@link ToolError} if
 * there is no answer.
 */
export function canI({ kubeconfig, context }: KubectlOptions): HasRight {
  return ({ verb, resource, subresource, namespace }) => {
    const args = [
      ...(kubeconfig === undefined ? [] : [`--kubeconfig=${kubeconfig}`]),
      ...(context === undefined ? [] : [`--context=${context}`]),
      ...["auth", "can-i", verb, resource, `--subresource=${subresource}`, "-n", namespace],
    ];
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    execFile("kubectl", args, { timeout: DEADLINE_MS }, (error, stdout, stderr) => {
      // It ends with 1 if the answer is no.
      const answer = stdout.trim().split(/\s/, 1)[0];
      if (answer === "yes" || answer === "no") resolve(answer === "yes");
      else reject(kubectlError(error ?? new Error(`unknown answer ${JSON.stringify(stdout)}`), stderr));
    });
    return promise;
  };
}
