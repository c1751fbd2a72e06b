// SPDX-License-Identifier: Apache-2.0

import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CHECKOUT } from "../../lab/paths.ts";

/** Puts what the suites call by name into `folder`, for the PATH: `kubectl ko` is weftctl from this checkout. */
export async function writePrograms(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const ko = join(folder, "kubectl-ko");
  // weftctl takes Kube-OVN's verbs where its name is kubectl-ko.
  const command = `exec -a kubectl-ko "${process.execPath}" "${join(CHECKOUT, "src/cli/main.ts")}" "$@"`;
  await writeFile(ko, `#!/bin/bash\n${command}\n`);
  await chmod(ko, 0o755);
}
