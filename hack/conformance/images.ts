// SPDX-License-Identifier: Apache-2.0

import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findCommand } from "../host/cache.ts";
import { HostError } from "../host/error.ts";
import { ensurePackages, type Need } from "../host/packages.ts";
import type { Progress } from "../host/progress.ts";
import { run } from "../host/run.ts";
import { ensureConntrackServer } from "../kube/e2e.ts";
import { BUSYBOX_IMAGE, buildOnAgnhost, ensureProgramImage } from "../lab/images.ts";
import type { Lab } from "../lab/lab.ts";
import { PAUSE_IMAGE } from "../lab/node-parts.ts";
import { copyProgram } from "../oci/files.ts";
import { ensureTool } from "../tools/tools.ts";

/** What the released images have besides agnhost and curl and the specs call (`test/images/agnhost/Dockerfile`). */
const NEEDS: readonly Need[] = [
  { what: "dash", package: "dash" },
  { what: "dig", package: "bind9-dnsutils" },
  { what: "getent", package: "libc-bin" },
  { what: "nc.openbsd", package: "netcat-openbsd" },
  { what: "ss", package: "iproute2" },
  { what: "wget", package: "wget" },
];

/**
 * Puts stand-ins for the released test images into every node, under the names that `e2eTest` asks for, so that nothing is pulled:
 * agnhost with the tools beside it, also as jessie-dnsutils, the server of the conntrack spec, the lab's busybox, and as pause and nginx (which no
 * spec of sig-network connects to) the lab's pause image. Rejects with HostError.
 */
export async function importTestImages(lab: Lab, kube: string, e2eTest: string, progress: Progress): Promise<void> {
  await ensurePackages(NEEDS, progress);
  const asked = (await run(e2eTest, ["--list-images"])).stdout.split("\n");
  const named = (name: string): readonly string[] => {
    const found = asked.filter((image) => new RegExp(`^registry\\.k8s\\.io/${name}:[^/]+$`).test(image));
    if (found.length === 0) throw new HostError("unsupported", `${e2eTest} does not use an image ${name}`);
    return found;
  };
  const out = join(lab.paths.state, "conformance");
  await mkdir(out, { recursive: true });
  const [coredns, conntrackServer] = [await ensureTool("coredns", progress), await ensureConntrackServer(progress)];
  const onAgnhost = ["e2e-test-images/agnhost", "e2e-test-images/jessie-dnsutils"].flatMap(named);
  const archives = await progress.step("building the test images", () =>
    buildOnAgnhost(kube, onAgnhost, (root) => tools(root, coredns), out),
  );
  const servers = named("e2e-test-images/regression-issue-74839").map((image) =>
    ensureProgramImage(image, conntrackServer, progress),
  );
  for (const archive of [...archives, ...(await Promise.all(servers))]) await lab.importImage(archive);
  const tags = [
    [BUSYBOX_IMAGE, ...named("e2e-test-images/busybox")],
    [PAUSE_IMAGE, ...named("pause"), ...named("e2e-test-images/nginx")],
  ];
  for (const names of tags) {
    const tag = ["ctr", "--namespace=k8s.io", "images", "tag", "--force", ...names];
    await Promise.all(lab.nodes.map((node) => lab.node(node).exec(tag)));
  }
}

async function tools(root: string, coredns: string): Promise<void> {
  // A shell that is not busybox: that one takes its own nc for whatever nc there is. The wget of Debian's static busybox 1.35 crashes with `-T`.
  const programs = { sh: "dash", dig: "dig", getent: "getent", nc: "nc.openbsd", ss: "ss", wget: "wget" };
  for (const [target, program] of Object.entries(programs))
    await copyProgram(findCommand(program) ?? program, root, `bin/${target}`);
  await copyFile(coredns, join(root, "coredns"));
  await mkdir(join(root, "etc"), { recursive: true });
  await writeFile(join(root, "etc/nsswitch.conf"), "hosts: files dns\n");
  // As busybox's in the released image: GNU's wget tries 20 times otherwise.
  await writeFile(join(root, "etc/wgetrc"), "tries = 1\n");
}
