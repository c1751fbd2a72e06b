// SPDX-License-Identifier: Apache-2.0

import { type Command, InvalidArgumentError } from "commander";
import { INSTALL_NAMESPACE } from "../../api/names.ts";
import type { KubeConnection } from "../../kube/connect.ts";
import { formatChecks } from "../env-check/check.ts";
import type { ExplainReport } from "../explain.ts";
import { withChart } from "./chart.ts";
import { embedded } from "./embedded.ts";
import { findValues } from "./found-values.ts";
import { findHelm } from "./helm.ts";
import { type Helm, helmOf, type ReleaseValues, type Values } from "./helm-run.ts";
import { install } from "./install.ts";
import { preflight, requireSuitable } from "./preflight.ts";
import { confirmOnTerminal, say, untilInterrupted } from "./terminal.ts";
import { uninstall } from "./uninstall.ts";
import { formatVersions, readVersions } from "./versions.ts";

/** The name of the release, also where helm is used by hand. */
const RELEASE = "weft";

/** Options that all commands have. */
export interface CommonOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly output: "table" | "json";
  readonly namespace: string;
}

interface ChartOptions extends CommonOptions {
  readonly values?: readonly string[];
  readonly set?: readonly string[];
  readonly image?: string;
  readonly helm?: string;
  readonly yes?: boolean;
  readonly nodes?: boolean;
}

interface InstallCommandOptions extends ChartOptions {
  readonly dryRun?: boolean;
  readonly resetValues?: boolean;
  readonly wait: boolean;
  readonly timeout: number;
  readonly ignoreFailedChecks?: boolean;
}

interface UninstallCommandOptions extends ChartOptions {
  readonly force?: boolean;
  readonly crds?: boolean;
  readonly timeout: number;
}

/** Runs an action with a connection and prints what it returns; see `main.ts`. */
export type WithConnection = (
  options: CommonOptions,
  action: (connection: KubeConnection) => Promise<ExplainReport>,
) => Promise<void>;

const EXIT_CODES = `
Exit codes: 0 done (all checks passed), 1 refused, a check failed, or something is not ready, 2 the command failed.`;

/** Adds `install`, `uninstall`, `env-check` and `version`. */
export function addInstallCommands(program: Command, withConnection: WithConnection): void {
  chartOptions(program.command("install"))
    .description(
      "install or upgrade Weft: check the cluster, install the chart by helm, wait until everything is ready",
    )
    .option("--dry-run", "print the objects that would be applied, with the API server's defaults; store nothing")
    .option("--no-wait", "do not wait until the workloads are ready")
    .option("--timeout <seconds>", "how long to wait until everything is ready", seconds, 300)
    .option("--nodes", "also check the nodes, like env-check --nodes")
    .option("--reset-values", "change values of the release that are not given again to their defaults")
    .option("--ignore-failed-checks", "install even if a check of the cluster fails")
    .addHelpText(
      "after",
      `
Examples:
  weftctl install --image registry.example.com/weft:0.1.0
  weftctl install --values my-values.yaml --set mtu=1400
  weftctl install --dry-run > weft.yaml

The release is a helm release: \`helm -n kube-system upgrade weft …\`, \`helm history\` and \`helm rollback\` work with it. An upgrade
keeps no values of the one before: give all of them, and --image, each time. If one is missing, the command lists what would change, and changes nothing without
--reset-values. The range of Services and the IP families are taken from the cluster
(Kubernetes 1.33 or newer) unless --set or --values give others.
${EXIT_CODES}`,
    )
    .action((_, command: Command) => {
      const options = command.optsWithGlobals<InstallCommandOptions>();
      return withConnection(options, (connection) =>
        untilInterrupted(async (signal) => {
          const helm = await helmFor(options, signal);
          const check = (values: Values): Promise<void> => requireSuitable(connection, options, values, signal);
          const parts = { connection, helm, check, say, signal };
          const manifests = await install(parts, {
            ...releaseValues(options),
            namespace: options.namespace,
            release: RELEASE,
            resetValues: options.resetValues === true,
            dryRun: options.dryRun === true,
            wait: options.wait,
            timeoutMs: options.timeout * 1000,
          });
          if (options.dryRun === true) return { data: { manifests }, text: manifests, ok: true };
          const text = options.wait
            ? "Weft is installed. See the network: kubectl get subnets,vpcs; what next: weftctl status\n"
            : "The chart is installed. Weft starts now; whether all of it runs: weftctl status\n";
          return { data: { installed: true, namespace: options.namespace }, text, ok: true };
        }),
      );
    });

  chartOptions(program.command("env-check"))
    .description("check whether Weft can be installed on the cluster; changes nothing")
    .option("--nodes", "also check each node with two short-lived pods of Weft's image (--image)")
    .addHelpText(
      "after",
      `
Examples:
  weftctl env-check
  weftctl env-check --nodes --image registry.example.com/weft:0.1.0
  weftctl env-check --set ipv4.POD_CIDR=10.200.0.0/16
  weftctl env-check -o json | jq '.[] | select(.result == "failed")'
${EXIT_CODES}`,
    )
    .action((_, command: Command) => {
      const options = command.optsWithGlobals<ChartOptions>();
      return withConnection(options, (connection) =>
        untilInterrupted(async (signal) => {
          const helm = await helmFor(options, signal);
          const given = { ...releaseValues(options), found: await findValues(connection.kube, options.namespace) };
          const values = await withChart((chart) => helm.effectiveValues(chart, given));
          const checks = await preflight(connection, options, values, signal);
          return { data: checks, text: formatChecks(checks), ok: checks.every(({ result }) => result !== "failed") };
        }),
      );
    });

  program
    .command("uninstall")
    .description("remove Weft from the cluster and from its nodes")
    .option("-n, --namespace <namespace>", "namespace of Weft", INSTALL_NAMESPACE)
    .option("--force", "remove Weft even if pods use the network; they lose it at once")
    .option("--crds", "also delete the CRDs, and with them all Subnets, Vpcs, IPs …")
    .option("--image <image>", "image for the cleanup of the nodes, if Weft's workloads are already gone")
    .option("--helm <file>", "path to helm 3.17 or newer (default: from the PATH)")
    .option("--timeout <seconds>", "timeout of removing the release, and of cleaning up the nodes", seconds, 180)
    .option("-y, --yes", "do not ask")
    .addHelpText(
      "after",
      `
Examples:
  weftctl uninstall
  weftctl uninstall --yes --force --crds
${EXIT_CODES}`,
    )
    .action((_, command: Command) => {
      const options = command.optsWithGlobals<UninstallCommandOptions>();
      return withConnection(options, ({ kube }) =>
        untilInterrupted(async (signal) => {
          const parts = { kube, helm: () => helmFor(options, signal), confirm: confirmed(options), say, signal };
          const data = await uninstall(parts, {
            namespace: options.namespace,
            release: RELEASE,
            force: options.force === true,
            crds: options.crds === true,
            image: options.image,
            timeoutMs: options.timeout * 1000,
          });
          const lines = data.nodes.flatMap(({ name, removed, failed }) => [
            `${name}: ${removed.length} things removed${failed.length > 0 ? `, ${failed.length} failed` : ""}`,
            ...failed.map((what) => `  failed: ${what}`),
          ]);
          const ok = data.nodes.every(({ failed }) => failed.length === 0);
          const last = ok ? "Weft is removed." : "Weft is removed, but not all of it: run this again with --image.";
          return { data, text: `${[...lines, last].join("\n")}\n`, ok };
        }),
      );
    });

  program
    .command("version")
    .description("print the version and commit of weftctl, and the versions that the cluster runs")
    .option("-n, --namespace <namespace>", "namespace of Weft", INSTALL_NAMESPACE)
    .option("--client", "print the version of weftctl only, without connecting to a cluster")
    .addHelpText("after", "\nExamples:\n  weftctl version\n  weftctl version --client -o json")
    .action(async (_, command: Command) => {
      const options = command.optsWithGlobals<CommonOptions & { readonly client?: boolean }>();
      const { version, commit } = embedded();
      const client = { version, commit };
      const printOwn = (): unknown =>
        process.stdout.write(
          options.output === "json" ? `${JSON.stringify({ client }, null, 2)}\n` : formatVersions({ client }),
        );
      if (options.client === true) {
        printOwn();
        return;
      }
      try {
        await withConnection(options, async (connection) => {
          const data = await readVersions(connection, options.namespace, client);
          return { data, text: formatVersions(data), ok: true };
        });
      } catch (error) {
        // Its own version is known without a cluster.
        printOwn();
        throw error;
      }
    });
}

function chartOptions(command: Command): Command {
  return command
    .option("-n, --namespace <namespace>", "namespace of Weft; Kube-OVN's tools expect kube-system", INSTALL_NAMESPACE)
    .option("-f, --values <file...>", "values file of the chart, as for helm")
    .option("--set <value...>", "a value of the chart, as for helm: logLevel=debug")
    .option("--image <image>", "REPOSITORY:TAG of Weft's image")
    .option("--helm <file>", "path to helm 3.17 or newer (default: from the PATH)")
    .option("-y, --yes", "do not ask");
}

function releaseValues({ values = [], set = [], image }: ChartOptions): Omit<ReleaseValues, "found"> {
  return { files: values, sets: set, image };
}

function confirmed({ yes }: Pick<ChartOptions, "yes">): (question: string) => Promise<boolean> {
  return yes === true ? async () => true : confirmOnTerminal;
}

/** A number of seconds as an option's value. */
function seconds(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number of seconds, 1 or more.");
}

async function helmFor(options: ChartOptions, signal: AbortSignal): Promise<Helm> {
  const program = await findHelm({ given: options.helm, confirm: confirmed(options) });
  const { namespace, kubeconfig, context } = options;
  return helmOf({ program, release: RELEASE, namespace, kubeconfig, context, signal });
}
