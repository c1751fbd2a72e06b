// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import { findCommand } from "./cache.ts";
import { errorText, HostError } from "./error.ts";
import type { Progress } from "./progress.ts";
import { run } from "./run.ts";

/** Something the project needs from the machine, and the Debian package that brings it. */
export interface Need {
  /** A command on the PATH, or the absolute path of a file. */
  readonly what: string;
  readonly package: string;
}

/** Which of `needs` are absent. Looked up by file, not by package: Docker's own containerd serves as well as Debian's. */
export function missingNeeds(needs: readonly Need[]): readonly Need[] {
  return needs.filter(({ what }) => (what.startsWith("/") ? !existsSync(what) : findCommand(what) === undefined));
}

/**
 * Installs the Debian packages of those `needs` that are absent; does nothing (not even `apt-get update`) where none is.
 * Rejects with HostError `not-root` or `unsupported` and the list of packages, which can be installed by other means.
 */
export async function ensurePackages(needs: readonly Need[], progress: Progress): Promise<void> {
  const missing = missingNeeds(needs);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((need) => need.package))].sort();
  const list = packages.join(" ");
  if (findCommand("apt-get") === undefined) {
    throw new HostError(
      "unsupported",
      `apt-get is not available; install the packages of ${missing.map((need) => need.what).join(", ")} (in Debian: ${list})`,
    );
  }
  if (process.getuid?.() !== 0) throw new HostError("not-root", `as root, install: apt-get install ${list}`);
  // Waits for other lock holders (unattended upgrades); installed packages must not be removed.
  const options = ["-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"];
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  progress.note(`installing Debian packages: ${list} (about a minute)`);
  await progress.step("apt-get update", () => run("apt-get", ["update", ...options], { env }));
  await progress.step(`apt-get install of ${packages.length} packages`, async (step) => {
    const onLine = (line: string): void => {
      if (/^(Get:|Unpacking|Setting up)/.test(line)) step.update(line.slice(0, 60));
    };
    const args = ["install", "--yes", "--no-install-recommends", "--no-remove", ...options, ...packages];
    // RUNLEVEL=1 keeps invoke-rc.d from starting services (etcd, containerd) that the lab runs in namespaces of its own.
    await run("apt-get", args, { env: { ...env, RUNLEVEL: "1" }, onLine });
  });
  const still = missingNeeds(missing);
  if (still.length > 0) {
    throw new HostError(
      "unsupported",
      `after installing ${list} there still is no ${still.map((need) => need.what).join(", ")}`,
      {
        cause: errorText(still),
      },
    );
  }
}
