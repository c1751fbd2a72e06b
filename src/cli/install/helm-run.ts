// SPDX-License-Identifier: Apache-2.0

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InstallError } from "./error.ts";
import { runProgram } from "./run.ts";

/** A tree of values of the chart. */
export type Values = Readonly<Record<string, unknown>>;

/** Which values a release gets, lowest first: the chart's, `found`, `--values`, `--set`, `--image`. */
export interface ReleaseValues {
  /** What the cluster itself says: its Service range. */
  readonly found: Values;
  /** Files, in the order in which they were given. */
  readonly files: readonly string[];
  readonly sets: readonly string[];
  /** REPOSITORY or REPOSITORY:TAG. */
  readonly image: string | undefined;
}

/** A helm for one release in one cluster. */
export interface Helm {
  /** The values that the release would get, checked by the chart's schema. */
  effectiveValues(chart: string, values: ReleaseValues): Promise<Values>;
  /** `helm upgrade --install`. With `dryRun` the manifests that would be applied; otherwise "". */
  install(chart: string, values: ReleaseValues, options: { readonly dryRun: boolean }): Promise<string>;
  /** `helm uninstall`, until its pods are gone. */
  uninstall(timeoutSeconds: number): Promise<void>;
}

/** Where a {@link Helm} works. */
export interface HelmTarget {
  readonly program: string;
  readonly release: string;
  readonly namespace: string;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
}

/** A {@link Helm} by the program of that name. Its promises reject with InstallError `helm-failed`, which has what helm printed. */
export function helmOf({ program, release, namespace, kubeconfig, context }: HelmTarget): Helm {
  const access = [
    ...(kubeconfig === undefined ? [] : [`--kubeconfig=${kubeconfig}`]),
    ...(context === undefined ? [] : [`--kube-context=${context}`]),
    `--namespace=${namespace}`,
  ];
  const helm = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runProgram(program, [...access, ...args]);
    if (code !== 0) throw new InstallError("helm-failed", `helm ${args[0]} failed: ${stderr.trim() || stdout.trim()}`);
    return stdout;
  };
  const given = async <R>(
    { found, files, sets, image }: ReleaseValues,
    action: (args: readonly string[]) => Promise<R>,
  ) => {
    const folder = await mkdtemp(join(tmpdir(), "weft-values-"));
    try {
      const file = join(folder, "found.json");
      await writeFile(file, JSON.stringify(found));
      const more = [...sets, ...(image === undefined ? [] : imageValues(image))];
      return await action([
        ...[file, ...files].map((path) => `--values=${path}`),
        ...more.map((set) => `--set=${set}`),
      ]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
  return {
    async effectiveValues(chart, values) {
      const text = await given(values, (args) =>
        helm("install", release, chart, "--dry-run=client", "--output=json", ...args),
      );
      return coalesced(JSON.parse(text));
    },
    async install(chart, values, { dryRun }) {
      return await given(values, async (args) => {
        // Objects may be there without helm knowing of them: CRDs that an earlier installation, or Kube-OVN, has left.
        const fixed = ["upgrade", "--install", release, chart, "--take-ownership", "--history-max=10", "--output=json"];
        const text = await helm(...fixed, ...(dryRun ? ["--dry-run=server"] : []), ...args);
        const answer: unknown = JSON.parse(text);
        return dryRun && isTree(answer) ? String(answer["manifest"] ?? "") : "";
      });
    },
    async uninstall(timeoutSeconds) {
      await helm(
        "uninstall",
        release,
        "--ignore-not-found",
        "--wait",
        "--cascade=foreground",
        `--timeout=${timeoutSeconds}s`,
      );
    },
  };
}

/** `--set` values of REPOSITORY or REPOSITORY:TAG. A colon before a slash belongs to the registry's port. */
export function imageValues(image: string): readonly string[] {
  const [, repository = image, tag] = /^(.*?)(?::([^:/]+))?$/.exec(image) ?? [];
  return [`image.repository=${repository}`, ...(tag === undefined ? [] : [`image.tag=${tag}`])];
}

/** The values of a release that helm printed as JSON: the chart's, and over them what it was given. */
function coalesced(release: unknown): Values {
  if (!isTree(release)) throw new InstallError("helm-failed", "helm printed no release");
  const { chart, config } = release;
  return merged(isTree(chart) ? chart["values"] : {}, config ?? {}) as Values;
}

/** Whether a value is an object of JSON. */
export function isTree(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function merged(low: unknown, high: unknown): unknown {
  if (!isTree(low) || !isTree(high)) return high;
  const names = new Set([...Object.keys(low), ...Object.keys(high)]);
  return Object.fromEntries([...names].map((name) => [name, name in high ? merged(low[name], high[name]) : low[name]]));
}
