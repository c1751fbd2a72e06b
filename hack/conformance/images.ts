// SPDX-License-Identifier: Apache-2.0

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findCommand } from "../host/cache.ts";
import { HostError } from "../host/error.ts";
import { ensurePackages, type Need } from "../host/packages.ts";
import type { Progress } from "../host/progress.ts";
import { run } from "../host/run.ts";
import { buildOnAgnhost } from "../lab/images.ts";
import type { Lab } from "../lab/lab.ts";
import { PAUSE_IMAGE } from "../lab/node-parts.ts";
import { copyProgram } from "../oci/files.ts";

/** What the released images have besides agnhost and curl and the specs call (`test/images/agnhost/Dockerfile`). */
const NEEDS: readonly Need[] = [
  { what: "dash", package: "dash" },
  { what: "dig", package: "bind9-dnsutils" },
  { what: "getent", package: "libc-bin" },
  { what: "nc.openbsd", package: "netcat-openbsd" },
  { what: "wget", package: "wget" },
];

/**
 * Puts stand-ins for the released test images into every node, under the names that `e2eTest` asks for, so that nothing is pulled:
 * agnhost with the tools beside it, also as jessie-dnsutils, and the lab's pause image. Rejects with HostError.
 */
export async function importTestImages(lab: Lab, kube: string, e2eTest: string, progress: Progress): Promise<void> {
  await ensurePackages(NEEDS, progress);
  const asked = (await run(e2eTest, ["--list-images"])).stdout.split("\n");
  const named = (name: string): string => {
    const found = asked.find((image) => new RegExp(`^registry\\.k8s\\.io/${name}:[^/]+$`).test(image));
    if (found === undefined) throw new HostError("unsupported", `${e2eTest} does not use an image ${name}`);
    return found;
  };
  const out = join(lab.paths.state, "conformance");
  await mkdir(out, { recursive: true });
  const archives = await progress.step("building the test images", () =>
    buildOnAgnhost(kube, [named("e2e-test-images/agnhost"), named("e2e-test-images/jessie-dnsutils")], tools, out),
  );
  for (const archive of archives) await lab.importImage(archive);
  const tag = ["ctr", "--namespace=k8s.io", "images", "tag", "--force", PAUSE_IMAGE, named("pause")];
  await Promise.all(lab.nodes.map((node) => lab.node(node).exec(tag)));
}

async function tools(root: string): Promise<void> {
  // A shell that is not busybox: that one takes its own nc for whatever nc there is. The wget of Debian's static busybox 1.35 crashes with `-T`.
  const programs = { sh: "dash", dig: "dig", getent: "getent", nc: "nc.openbsd", wget: "wget" };
  for (const [target, program] of Object.entries(programs))
    await copyProgram(findCommand(program) ?? program, root, `bin/${target}`);
  await mkdir(join(root, "etc"), { recursive: true });
  await writeFile(join(root, "etc/nsswitch.conf"), "hosts: files dns\n");
  // As busybox's in the released image: GNU's wget tries 20 times otherwise.
  await writeFile(join(root, "etc/wgetrc"), "tries = 1\n");
}
