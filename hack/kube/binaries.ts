// SPDX-License-Identifier: Apache-2.0

import { access, chmod, constants, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { architecture, cacheFolder, replaceAtomically } from "../host/cache.ts";
import { download, fetchText } from "../host/download.ts";
import { errorText, HostError } from "../host/error.ts";
import { ensureGo, showGoOutput } from "../host/go.ts";
import { withFileLock } from "../host/lock.ts";
import type { Progress, ProgressStep } from "../host/progress.ts";
import { run } from "../host/run.ts";

/** The Kubernetes release that the lab runs; `go.mod` beside this file names the same one. */
export const KUBERNETES_VERSION = "v1.34.4";

/** What the lab needs of it: the binary's name → its package in the module `k8s.io/kubernetes`. */
const BINARIES: Readonly<Record<string, string>> = {
  "kube-apiserver": "cmd/kube-apiserver",
  kubelet: "cmd/kubelet",
  "kube-controller-manager": "cmd/kube-controller-manager",
  "kube-scheduler": "cmd/kube-scheduler",
  "kube-proxy": "cmd/kube-proxy",
  kubectl: "cmd/kubectl",
  agnhost: "test/images/agnhost",
};

/** Built in any case: released as an image only. */
const NOT_RELEASED: ReadonlySet<string> = new Set(["agnhost"]);

// Version numbers are linked in: without them the binaries say v0.0.0 and clients refuse the skew.
const LINKED = ["k8s.io/component-base", "k8s.io/client-go/pkg"].map(
  (path) => `-X ${path}/version.gitVersion=${KUBERNETES_VERSION}`,
);

/** How `go build` makes a binary of Kubernetes in the folder of this file. */
export const buildFlags: readonly string[] = ["-mod=readonly", "-trimpath", "-ldflags", `-s -w ${LINKED.join(" ")}`];

const RELEASE_URL = `https://dl.k8s.io/release/${KUBERNETES_VERSION}/bin/linux`;

/**
 * The folder with the Kubernetes binaries: `$WEFT_KUBE_BIN` if set, else one in the cache folder that all checkouts share,
 * filled first where something is missing: from the official release with its checksum, else built from `go.mod` beside this file.
 */
export async function ensureKubeBinaries(progress: Progress): Promise<string> {
  const given = process.env["WEFT_KUBE_BIN"];
  if (given !== undefined && given !== "") {
    const missing = await missingIn(given);
    if (missing.length === 0) return given;
    throw new HostError("unsupported", `WEFT_KUBE_BIN=${given} lacks ${missing.join(", ")}`);
  }
  const folder = kubeFolder();
  if ((await missingIn(folder)).length === 0) return folder;
  const wait = (): void => progress.note("another checkout is fetching the Kubernetes binaries; waiting for it");
  await withFileLock(`${folder}.lock`, () => fill(folder, progress), wait);
  return folder;
}

function kubeFolder(): string {
  return join(cacheFolder(), "kube", `${KUBERNETES_VERSION}-${architecture()}`);
}

/** Which binaries `ensureKubeBinaries` would have to fetch or build. */
export function missingKubeBinaries(): Promise<readonly string[]> {
  return missingIn(process.env["WEFT_KUBE_BIN"] || kubeFolder());
}

async function missingIn(folder: string): Promise<readonly string[]> {
  const found = await Promise.all(
    Object.keys(BINARIES).map(async (name) => {
      const usable = await access(join(folder, name), constants.X_OK).then(
        () => true,
        () => false,
      );
      return usable ? undefined : name;
    }),
  );
  return found.filter((name) => name !== undefined);
}

async function fill(folder: string, progress: Progress): Promise<void> {
  const missing = await missingIn(folder);
  let left: readonly string[] = missing.filter((name) => NOT_RELEASED.has(name));
  const released = missing.filter((name) => !NOT_RELEASED.has(name));
  try {
    await progress.step(`downloading Kubernetes ${KUBERNETES_VERSION}`, async (step) => {
      for (const [index, name] of released.entries()) {
        await fetchReleased(name, join(folder, name), (text) =>
          step.update(`${index + 1} of ${released.length}, ${name} ${text}`),
        );
      }
    });
  } catch (error) {
    progress.note(
      `the official release could not be downloaded (${errorText(error)}); building it from source instead`,
    );
    left = await missingIn(folder);
  }
  if (left.length === 0) return;
  const advice = `set WEFT_KUBE_BIN to a folder that holds all of: ${Object.keys(BINARIES).join(", ")}`;
  const go = await ensureGo(`${left.join(", ")} of Kubernetes ${KUBERNETES_VERSION}`, advice, progress);
  progress.note(
    `building Kubernetes ${KUBERNETES_VERSION} with Go: about 10 minutes on two otherwise idle cores, once for all checkouts`,
  );
  await progress.step("building Kubernetes", (step) => build(go, left, folder, step));
}

async function fetchReleased(name: string, path: string, onProgress: (text: string) => void): Promise<void> {
  const url = `${RELEASE_URL}/${architecture()}/${name}`;
  const sum = (await fetchText(`${url}.sha256`)).trim().slice(0, 64);
  await replaceAtomically(path, async (temporary) => {
    await download(url, temporary, sum, onProgress);
    await chmod(temporary, 0o755);
  });
}

/**
 * All in one `go build`: while one is linked, which uses one processor, others are compiled, and shared packages are
 * compiled once.
 */
async function build(go: string, names: readonly string[], folder: string, step: ProgressStep): Promise<void> {
  const sources = names.map((name) => `k8s.io/kubernetes/${BINARIES[name]}`);
  const target = join(folder, `.part-${process.pid}`);
  await mkdir(target, { recursive: true });
  try {
    await run(go, ["build", "-v", ...buildFlags, "-o", `${target}/`, ...sources], {
      cwd: import.meta.dirname,
      env: { CGO_ENABLED: "0" },
      onLine: showGoOutput(step),
    });
    for (const name of names) await rename(join(target, name), join(folder, name));
  } finally {
    await rm(target, { recursive: true, force: true });
  }
}
