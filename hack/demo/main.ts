// SPDX-License-Identifier: Apache-2.0

import { writeFileSync } from "node:fs";
import { Command, Option } from "commander";
import { formatTable } from "../../src/cli/table.ts";
import { cacheFolder } from "../host/cache.ts";
import { createProgress } from "../host/progress.ts";
import { openLab } from "../lab/lab.ts";
import { missingSupplies } from "../lab/supplies.ts";
import { IP_FAMILIES, type IpFamily } from "../lab/topology.ts";
import { apply, type ProbePod, readyPods, serverPod } from "../traffic/pods.ts";
import { type PlannedReach, planReaches, type Reach, tryReach } from "./reach.ts";
import { pictureOf } from "./terminal-svg.ts";

const NAMESPACE = "weft-demo";
const SERVICE = "web";

async function main(options: { json: boolean; ipFamily?: IpFamily; picture?: string }): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error("the demo needs root to create network namespaces: run it with sudo");
  const progress = createProgress();
  const print = (text: string): unknown => options.json || process.stdout.write(text);
  const lab = openLab(progress);
  for (const line of firstRun(await missingSupplies())) progress.note(line);
  const family = options.ipFamily ?? (lab.settings === undefined ? "dual" : undefined);
  const {
    settings: { nodes, ipFamily },
    complete,
  } = await lab.beginUp({ nodes: 2, cni: "weft", ...(family !== undefined && { ipFamily: family }) });
  const pods = await startPods();
  print(`${podTable(pods)}\n`);
  const planned = planReaches({
    lab,
    pods,
    ipFamily,
    serviceName: `${SERVICE}.${NAMESPACE}.svc.cluster.local`,
    serviceAddresses: await clusterIps(),
  });
  const line = tableLines(planned);
  const table: string[] = [];
  const printRow = (row: readonly string[]): void => {
    table.push(line(row));
    print(line(row));
  };
  printRow(REACH_HEAD);
  const reaches: Reach[] = [];
  for (const each of planned) {
    if (each.needsDns) await complete;
    const reach = await tryReach(each);
    reaches.push(reach);
    printRow(reachRow(reach));
  }
  await complete;
  const failed = reaches.filter((reach) => !reach.ok).length;
  if (options.json) process.stdout.write(`${JSON.stringify({ nodes, pods, reaches, failed }, null, 2)}\n`);
  if (options.picture !== undefined) {
    writeFileSync(options.picture, pictureOf(`$ npm run demo\n\n${podTable(pods)}\n${table.join("")}`));
  }
  print(`\n${farewell(failed, lab.paths.kubeconfig)}`);
  process.exitCode = failed === 0 && reaches.length > 0 ? 0 : 1;

  function startPods(): Promise<readonly ProbePod[]> {
    return progress.step("starting pods on both nodes", async () => {
      const names = lab.nodes.flatMap((node) => ["one", "two"].map((name) => ({ node, name: `${name}-${node}` })));
      const service = {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: SERVICE, namespace: NAMESPACE },
        spec: {
          selector: { demo: "weft" },
          ipFamilyPolicy: "PreferDualStack",
          ports: [{ port: 80, targetPort: 8080 }],
        },
      };
      await apply(lab, [
        { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } },
        service,
        ...names.map(({ node, name }) => serverPod(NAMESPACE, name, { node, labels: { demo: "weft" } })),
      ]);
      const ready = await readyPods(lab, NAMESPACE, "demo=weft", 120_000);
      return names.flatMap(({ name }) => ready.get(name) ?? []);
    });
  }

  async function clusterIps(): Promise<readonly string[]> {
    const { stdout } = await lab.kubectl([
      "get",
      "service",
      "-n",
      NAMESPACE,
      SERVICE,
      "-o",
      "jsonpath={.spec.clusterIPs[*]}",
    ]);
    return stdout.trim().split(/\s+/);
  }
}

function podTable(pods: readonly ProbePod[]): string {
  return formatTable(
    ["POD", "NODE", "ADDRESSES"],
    pods.map((pod) => [pod.name, pod.node, pod.addresses.join("  ")]),
  );
}

const REACH_HEAD = ["", "WHAT", "FAMILY", "FROM", "TO", "TIME", ""];

function reachRow({ ok, what, family, from, to, ms, detail }: Reach): readonly string[] {
  return [ok ? "✓" : "✗", what, family, from, to, `${ms.toFixed(ms < 10 ? 2 : 0)} ms`, ok ? "" : detail];
}

/** Lines of the table one by one, with the widths that it will have; how long each takes is not known before. */
function tableLines(planned: readonly PlannedReach[]): (row: readonly string[]) => string {
  const rows = planned.map(({ what, family, from, to }) => ["✓", what, family, from, to, "12345 ms"]);
  const widths = REACH_HEAD.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const padded = (cell: string, column: number): string => cell.padEnd(widths[column] ?? 0);
  return (row) => `${row.map(padded).join("   ").trimEnd()}\n`;
}

/** The text before a run that must build something first. */
function firstRun(missing: readonly string[]): readonly string[] {
  if (missing.length === 0) return [];
  return [
    "This run takes longer: the following is missing and built or downloaded once (about 11 minutes on two otherwise idle cores if all of it is missing and Kubernetes cannot be downloaded; several times that on a busy machine):",
    ...missing.map((what) => `  - ${what}`),
    `The results are cached in ${cacheFolder()} for all checkouts; later runs take one or two minutes.`,
  ];
}

function farewell(failed: number, kubeconfig: string): string {
  const verdict = failed === 0 ? "All connections succeeded.\n" : `${failed} connections failed.\n`;
  return `${verdict}
Three things to try next:
  export KUBECONFIG=${kubeconfig} PATH=$PWD/.lab/bin:$PATH

  1. Look at the objects: addresses of pods, their subnet, and how one pod got its network
       kubectl get pods,subnets,ips -A -o wide
       kubectl -n kube-system exec deploy/kube-ovn-controller -- weftctl pod ${NAMESPACE}/one-weft-1

  2. Deny the pods' traffic by a NetworkPolicy, ask which policy denies it, and remove the policy
       kubectl apply -f hack/demo/deny.yaml
       kubectl -n kube-system exec deploy/kube-ovn-controller -- weftctl policy explain ${NAMESPACE}/one-weft-1 ${NAMESPACE}/two-weft-2 tcp/8080
       kubectl delete -f hack/demo/deny.yaml

  3. Kill the kubelet of a node, and start what is missing again
       npm run lab -- kill weft-1/kubelet
       npm run lab -- up

npm run lab -- down removes everything.
`;
}

const program = new Command("npm run demo --")
  .description(
    "Starts a two-node cluster on this machine, deploys Weft, starts pods and shows which of them reach each other. Needs root.",
  )
  .option("--json", "print the result as JSON", false)
  .option("--picture <file>", "also write the tables to an SVG file")
  .addOption(
    new Option("--ip-family <family>", "address families (default: those of the running lab, else dual)").choices(
      IP_FAMILIES,
    ),
  )
  .addHelpText(
    "after",
    `
Examples:
  npm run demo
  npm run demo -- --ip-family ipv6 --json`,
  )
  .action((options: { json: boolean; ipFamily?: IpFamily; picture?: string }) => main(options));
program.parseAsync().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
