// SPDX-License-Identifier: Apache-2.0

import { globSync, readFileSync } from "node:fs";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { ROOT } from "../build/npm.ts";
import { HostError } from "../host/error.ts";
import { run } from "../host/run.ts";
import { KUBERNETES_VERSION } from "../kube/binaries.ts";
import { ensureTool } from "../tools/tools.ts";
import type { Made, Release } from "./release.ts";

/** The values with which the chart is checked besides its defaults. */
const VARIANTS: readonly (readonly string[])[] = [
  [],
  ["--set=ipFamily=ipv6"],
  ["--set=ipFamily=dual", "--set=controller.replicas=2", "--set=datapath=userspace"],
  ["--set=crds.install=false", "--set=validateAnnotations=false"],
];

/** The chart's package, with the released image as its default, and what it renders to with its default values, for those without Helm. */
export async function makeChart(release: Release): Promise<Made> {
  const { version, out, progress } = release;
  const helm = await ensureTool("helm", progress);
  const chart = join(release.work, "chart", "weft");
  await rm(join(release.work, "chart"), { recursive: true, force: true });
  // Links are followed: the CRDs are one.
  await cp(join(ROOT, "charts/weft"), chart, { recursive: true, dereference: true });
  const values = join(chart, "values.yaml");
  await writeFile(values, withRepository(await readFile(values, "utf8"), release.repository));
  await progress.step("chart: lint, template", async (step) => {
    for (const [index, variant] of VARIANTS.entries()) {
      step.update(`values ${index + 1} of ${VARIANTS.length}`);
      await run(helm, ["lint", "--strict", "--quiet", `--kube-version=${KUBERNETES_VERSION}`, chart, ...variant]);
      await run(helm, [...TEMPLATE, chart, ...variant]);
    }
  });
  const packaged = `weft-${version}.tgz`;
  await run(helm, ["package", chart, `--destination=${release.work}`]);
  await repack(join(release.work, packaged), join(out, packaged));
  const { stdout } = await run(helm, [...TEMPLATE, chart]);
  const manifest = `weft-install-${version}.yaml`;
  await writeFile(join(out, manifest), stdout);
  return { files: [packaged, manifest] };
}

const TEMPLATE = ["template", "weft", "--namespace=kube-system", `--kube-version=${KUBERNETES_VERSION}`] as const;

/** The CustomResourceDefinitions alone, for clusters whose administrator installs them apart. */
export async function makeCrds(release: Release): Promise<Made> {
  const name = `weft-crds-${release.version}.yaml`;
  const files = globSync("*.yaml", { cwd: join(ROOT, "crds") }).sort();
  const documents = files.map((file) => readFileSync(join(ROOT, "crds", file), "utf8").trim());
  await writeFile(join(release.out, name), `${documents.join("\n---\n")}\n`);
  return { files: [name] };
}

/** The values with another `image.repository`; comments stay. Throws HostError `unsupported` where there is no such value. */
export function withRepository(values: string, repository: string): string {
  const document = parseDocument(values);
  if (!document.hasIn(["image", "repository"]))
    throw new HostError("unsupported", "values.yaml has no image.repository");
  document.setIn(["image", "repository"], repository);
  return document.toString({ lineWidth: 0 });
}

/** Helm writes the time of packaging into each entry; the same content is to give the same bytes. */
async function repack(from: string, to: string): Promise<void> {
  const folder = `${from}.folder`;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await run("tar", ["--extract", `--file=${from}`, `--directory=${folder}`]);
  await run("tar", [
    "--create",
    `--file=${to}`,
    `--directory=${folder}`,
    "--use-compress-program=gzip -9 --no-name",
    "--sort=name",
    "--format=ustar",
    "--mtime=@0",
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    "--mode=u=rwX,go=rX",
    "weft",
  ]);
}
