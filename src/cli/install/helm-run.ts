// SPDX-License-Identifier: Apache-2.0

import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { InstallError } from "./error.ts";
import { runProgram } from "./run.ts";

/** A tree of values of the chart. */
export type Values = Readonly<Record<string, unknown>>;

/** The values of a release, lowest priority first: the chart's, `found`, `--values`, `--set`, `--image`. */
export interface ReleaseValues {
  /** Values derived from the cluster: its Service range. */
  readonly found: Values;
  /** Files, in the order in which they were given. */
  readonly files: readonly string[];
  readonly sets: readonly string[];
  /** REPOSITORY or REPOSITORY:TAG. */
  readonly image: string | undefined;
}

/** A helm for one release in one cluster. */
export interface Helm {
  /** The values that the release would get, validated by the chart's schema. The cluster is not accessed. */
  effectiveValues(chart: string, values: ReleaseValues): Promise<Values>;
  /** The values that are given, without those of the chart. The cluster is not accessed. */
  givenValues(values: ReleaseValues): Promise<Values>;
  /** The values that the release was given, without those of the chart; undefined if there is no release. */
  recordedValues(): Promise<Values | undefined>;
  /** `helm upgrade --install`. With `dryRun` the manifests that would be applied; otherwise "". */
  install(chart: string, values: ReleaseValues, options: { readonly dryRun: boolean }): Promise<string>;
  /**
   * `helm uninstall`, until its pods have ended. Resolves with false if the objects are deleted, but some pods still
   * existed after the time.
   */
  uninstall(timeoutSeconds: number): Promise<boolean>;
}

/** The target of a {@link Helm}. */
export interface HelmTarget {
  readonly program: string;
  readonly release: string;
  readonly namespace: string;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  /** Interrupts helm. */
  readonly signal?: AbortSignal;
}

/**
 * A {@link Helm} that runs the program of that name. Its promises reject with InstallError `helm-failed`, which
 * contains helm's output.
 */
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
      return await action([
        ...[file, ...files].map((path) => `--values=${path}`),
        ...sets.map((set) => `--set=${set}`),
        // Not --set: a tag of digits would be a number, which the schema refuses.
        ...(image === undefined ? [] : imageValues(image)).map((set) => `--set-string=${set}`),
      ]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
  const merged = async (chart: string | undefined, values: ReleaseValues): Promise<Values> => {
    const text = await withValuesChart(chart, (folder) =>
      given(values, (args) => helm("template", release, folder, ...args)),
    );
    const found: unknown = parse(text);
    if (!isTree(found)) throw new InstallError("helm-failed", "helm template returned no values");
    return found;
  };
  return {
    effectiveValues: merged,
    givenValues: (values) => merged(undefined, values),
    async recordedValues() {
      try {
        // `null` if none were given.
        const recorded: unknown = JSON.parse(await helm("get", "values", release, "--output=json"));
        return isTree(recorded) ? recorded : {};
      } catch (error) {
        if (error instanceof InstallError && error.message.endsWith("release: not found")) return undefined;
        throw error;
      }
    },
    async install(chart, values, { dryRun }) {
      return await given(values, async (args) => {
        // Objects may exist that helm does not know: CRDs of an earlier installation, or of Kube-OVN.
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

/** `--set-string` values of REPOSITORY or REPOSITORY:TAG. A colon before a slash belongs to the registry's port. */
export function imageValues(image: string): readonly string[] {
  const [, repository = image, tag] = /^(.*?)(?::([^:/]+))?$/.exec(image) ?? [];
  return [`image.repository=${repository}`, ...(tag === undefined ? [] : [`image.tag=${tag}`])];
}

/** Whether a value is an object of JSON. */
export function isTree(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * helm's message if the release is deleted and only the wait for its pods timed out: those of a node that does not
 * answer stay.
 */
const LATE = /uninstallation completed with \d+ error\(s\): context deadline exceeded$/;

/** helm's message if the newest revision of the release is neither deployed nor failed. */
const PENDING = "another operation (install/upgrade/rollback) is in progress";

function pendingAdvice(release: string, namespace: string): string {
  return `
Another installation runs, or one was killed. If none runs, go back to the last revision and try again: helm -n ${namespace} rollback ${release}
(or, if there is no other revision: helm -n ${namespace} uninstall ${release})`;
}

/**
 * The environment without variables that would direct helm to another cluster or namespace than the one that was
 * checked (`helm env`).
 */
function ownAccess(env: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^HELM_(KUBE|NAMESPACE$)/.test(name)));
}

/**
 * Calls `action` with a chart of the same values and schema (without `chart`: of none) that renders to its values: so
 * helm itself merges them without accessing a cluster, as a dry run of an installation would (it refuses CRDs that helm
 * did not create).
 */
async function withValuesChart<R>(chart: string | undefined, action: (folder: string) => Promise<R>): Promise<R> {
  const folder = await mkdtemp(join(tmpdir(), "weft-values-chart-"));
  try {
    if (chart !== undefined)
      for (const name of ["values.yaml", "values.schema.json"]) await copyFile(join(chart, name), join(folder, name));
    await writeFile(join(folder, "Chart.yaml"), "{ apiVersion: v2, name: weft, version: 0.0.0 }\n");
    await mkdir(join(folder, "templates"));
    await writeFile(join(folder, "templates/values.yaml"), "{{ toJson .Values }}\n");
    return await action(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
