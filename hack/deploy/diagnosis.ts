import type { Lab } from "../lab/lab.ts";
import { NAMESPACE } from "./deploy.ts";

interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly terminated?: { readonly reason?: string; readonly exitCode?: number };
}

interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}

interface Pod {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

/** How much of a container's log is shown. */
const LOG_LINES = 12;

/**
 * What stands in the way of `workloads` ("daemonset/ovs-ovn"): their pods that are not ready, the reason as Kubernetes has it, and the end of
 * the log of the container in question.
 */
export async function whyNotReady(lab: Lab, workloads: readonly string[]): Promise<string> {
  const lines = [`not ready: ${workloads.join(", ")}`];
  const { stdout } = await lab.kubectl([
    `--namespace=${NAMESPACE}`,
    "get",
    "pods",
    "--selector=component=network",
    "--output=json",
  ]);
  const { items } = JSON.parse(stdout) as { readonly items: readonly Pod[] };
  for (const pod of items) {
    const app = pod.metadata.labels?.["app"] === "ovs" ? "ovs-ovn" : pod.metadata.labels?.["app"];
    if (!workloads.some((workload) => workload.endsWith(`/${app}`))) continue;
    const containers = [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])];
    const wrong = containers.filter((container) => !container.ready && container.state?.terminated?.exitCode !== 0);
    if (wrong.length === 0 && containers.length > 0) continue;
    const scheduled = pod.status.conditions?.find(
      (condition) => condition.type === "PodScheduled" && condition.status === "False",
    );
    lines.push(
      `${pod.metadata.name} on ${pod.spec.nodeName ?? "no node"}: ${scheduled?.message ?? pod.status.phase ?? "unknown"}`,
    );
    for (const container of wrong) lines.push(...(await describe(lab, pod.metadata.name, container)));
  }
  return lines.join("\n  ");
}

async function describe(lab: Lab, pod: string, container: ContainerStatus): Promise<readonly string[]> {
  const { waiting, terminated } = container.state ?? {};
  const last = container.lastState?.terminated;
  const reasons = [waiting?.reason, waiting?.message, terminated?.reason, last && `exit code ${last.exitCode} before`];
  const what = reasons.filter(Boolean).join(", ") || "runs, but its probes fail";
  const args = [`--namespace=${NAMESPACE}`, "logs", pod, `--container=${container.name}`, `--tail=${LOG_LINES}`];
  const log = await lab.kubectl([...args, ...(waiting && last ? ["--previous"] : [])], { allowFailure: true });
  return [
    `${container.name}: ${what}; ${container.restartCount} restarts; the end of its log:`,
    ...(log.stdout.trim() || log.stderr.trim()).split("\n").map((line) => `  ${line.slice(0, 300)}`),
  ];
}
