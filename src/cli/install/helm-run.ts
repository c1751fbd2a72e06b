// SPDX-License-Identifier: Apache-2.0

import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
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
  /** The values that the release would get, checked by the chart's schema. The cluster is not asked. */
  effectiveValues(chart: string, values: ReleaseValues): Promise<Values>;
  /** `helm upgrade --install`. With `dryRun` the manifests that would be applied; otherwise "". */
  install(chart: string, values: ReleaseValues, options: { readonly dryRun: boolean }): Promise<string>;
  /** `helm uninstall`, until its pods are gone. Resolves with false where the objects are deleted, and some pods were still there after the time. */
  uninstall(timeoutSeconds: number): Promise<boolean>;
}

/** Where a {@link Helm} works. */
export interface HelmTarget {
  readonly program: string;
  readonly release: string;
  readonly namespace: string;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  /** Interrupts helm. */
  readonly signal?: AbortSignal;
}

/** A {@link Helm} by the program of that name. Its promises reject with InstallError `helm-failed`, which has what helm printed. */
export function helmOf({ program, release, namespace, kubeconfig, context, signal }: HelmTarget): Helm {
  const access = [
    ...(kubeconfig === undefined ? [] : [`--kubeconfig=${kubeconfig}`]),
    ...(context === undefined ? [] : [`--kube-context=${context}`]),
    `--namespace=${namespace}`,
  ];
  const env = ownAccess(process.env);
  const helm = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runProgram(program, [...access, ...args], { signal, env });
    signal?.throwIfAborted();
    if (code === 0) return stdout;
    const text = (stderr.trim() || stdout.trim()).replace(/^Error: ([A-Z]+ FAILED: )?/, "");
    const advice = text.includes(PENDING) ? pendingAdvice(release, namespace) : "";
    throw new InstallError("helm-failed", `helm ${args[0]} failed: ${text}${advice}`);
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
      const text = await withValuesChart(chart, (folder) =>
        given(values, (args) => helm("template", release, folder, ...args)),
      );
      const found: unknown = parse(text);
      if (!isTree(found)) throw new InstallError("helm-failed", "helm template returned no values");
      return found;
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
      const fixed = ["uninstall", release, "--ignore-not-found", "--wait", "--cascade=foreground"];
      try {
        await helm(...fixed, `--timeout=${timeoutSeconds}s`);
        return true;
      } catch (error) {
        if (error instanceof InstallError && LATE.test(error.message)) return false;
        throw error;
      }
    },
  };
}

/** `--set` values of REPOSITORY or REPOSITORY:TAG. A colon before a slash belongs to the registry's port. */
export function imageValues(image: string): readonly string[] {
  const [, repository = image, tag] = /^(.*?)(?::([^:/]+))?$/.exec(image) ?? [];
  return [`image.repository=${repository}`, ...(tag === undefined ? [] : [`image.tag=${tag}`])];
}

/** Whether a value is an object of JSON. */
export function isTree(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What helm says where the release is gone and only the wait for its pods was in vain: those of a node that does not answer stay. */
const LATE = /uninstallation completed with \d+ error\(s\): context deadline exceeded$/;

/** What helm says where the newest revision of the release is neither deployed nor failed. */
const PENDING = "another operation (install/upgrade/rollback) is in progress";

function pendingAdvice(release: string, namespace: string): string {
  return `
Another installation runs, or one was killed. If none runs, go back to the last revision and try again: helm -n ${namespace} rollback ${release}
(or, where there is no other revision: helm -n ${namespace} uninstall ${release})`;
}

/** The environment without variables by which helm would go to another cluster or namespace than the one that was checked (`helm env`). */
function ownAccess(env: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^HELM_(KUBE|NAMESPACE$)/.test(name)));
}

/**
 * Calls `action` with a chart of the same values and schema that renders to its values: so helm itself merges them, and no cluster is asked, as a dry run
 * of an installation would (it refuses CRDs that helm did not make).
 */
async function withValuesChart<R>(chart: string, action: (folder: string) => Promise<R>): Promise<R> {
  const folder = await mkdtemp(join(tmpdir(), "weft-values-chart-"));
  try {
    for (const name of ["values.yaml", "values.schema.json"]) await copyFile(join(chart, name), join(folder, name));
    await writeFile(join(folder, "Chart.yaml"), "{ apiVersion: v2, name: weft, version: 0.0.0 }\n");
    await mkdir(join(folder, "templates"));
    await writeFile(join(folder, "templates/values.yaml"), "{{ toJson .Values }}\n");
    return await action(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
