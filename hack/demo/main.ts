import { writeFileSync } from "node:fs";
import { Command } from "commander";
import { formatTable } from "../../src/cli/table.ts";
import { createProgress } from "../host/progress.ts";
import { openLab } from "../lab/lab.ts";
import type { IpFamily } from "../lab/topology.ts";
import { apply, type ProbePod, readyPods, serverPod } from "../traffic/pods.ts";
import { pictureOf } from "./picture.ts";
import { type Reach, reachAll } from "./reach.ts";

const NAMESPACE = "weft-demo";
const SERVICE = "web";

async function main(options: { json: boolean; ipFamily: IpFamily; picture?: string }): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error("the demo needs root: it makes network namespaces; run it with sudo");
  const progress = createProgress();
  const lab = openLab(progress);
  const { nodes, ipFamily } = await lab.up({ nodes: 2, cni: "weft", ipFamily: options.ipFamily });
  const pods = await startPods();
  const reaches = await reachAll({
    lab,
    pods,
    ipFamily,
    serviceName: `${SERVICE}.${NAMESPACE}.svc.cluster.local`,
    serviceAddresses: await clusterIps(),
  });
  const failed = reaches.filter((reach) => !reach.ok).length;
  if (options.json) process.stdout.write(`${JSON.stringify({ nodes, pods, reaches, failed }, null, 2)}\n`);
  if (options.picture !== undefined) {
    writeFileSync(options.picture, pictureOf(`$ npm run demo\n\n${podTable(pods)}\n${reachTable(reaches)}`));
  }
  if (!options.json)
    process.stdout.write(`${podTable(pods)}\n${reachTable(reaches)}\n${farewell(failed, lab.paths.kubeconfig)}`);
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

function reachTable(reaches: readonly Reach[]): string {
  const rows = reaches.map(({ ok, what, family, from, to, ms, detail }) => [
    ok ? "✓" : "✗",
    what,
    family,
    from,
    to,
    `${ms.toFixed(ms < 10 ? 2 : 0)} ms`,
    ok ? "" : detail,
  ]);
  return formatTable(["", "WHAT", "FAMILY", "FROM", "TO", "TIME", ""], rows);
}

function farewell(failed: number, kubeconfig: string): string {
  const verdict = failed === 0 ? "Everybody reaches everybody.\n" : `${failed} of these failed.\n`;
  return `${verdict}
Go on from here:
  export KUBECONFIG=${kubeconfig} PATH=$PWD/.lab/bin:$PATH
  kubectl get pods,subnets,ips -A -o wide        what there is
  kubectl -n ${NAMESPACE} exec -it one-weft-1 -- sh     inside a pod
  npm run lab -- node weft-1 -- ovs-vsctl show   inside a node
  npm run lab -- kill weft-1/kubelet             break something; "npm run lab -- up" repairs it
  npm run lab -- down                            take it all away
`;
}

const program = new Command("demo")
  .description(
    "Brings a two-node cluster up on this machine, deploys Weft, starts pods, and shows who reaches whom. Needs root.",
  )
  .option("--json", "print the result as JSON", false)
  .option("--picture <file>", "write the tables as an SVG picture as well")
  .option("--ip-family <family>", "ipv4, ipv6 or dual", "dual")
  .action((options: { json: boolean; ipFamily: IpFamily; picture?: string }) => main(options));
program.parseAsync().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
