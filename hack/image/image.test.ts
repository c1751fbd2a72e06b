// SPDX-License-Identifier: Apache-2.0

import { accessSync, constants, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { lockedPackage, ROOT } from "../build/npm.ts";
import { run } from "../host/run.ts";
import { DEBIAN_SUITE, imagePackages, parsePackages } from "./base.ts";

const dockerfile = readFileSync(join(ROOT, "Dockerfile"), "utf8");

await t.test("the Dockerfile builds on the Debian and the Node that the other way takes", async (t) => {
  t.match(dockerfile, new RegExp(`^ARG DEBIAN_SUITE=${DEBIAN_SUITE}$`, "m"));
  t.match(dockerfile, /^FROM debian:\$\{DEBIAN_SUITE\}-slim$/m);
  t.match(dockerfile, new RegExp(`^ARG NODE_VERSION=${lockedPackage("node").version}$`, "m"));
  for (const [, image] of dockerfile.matchAll(/^FROM (?:--platform=\S+ )?node:(\S+)/gm)) {
    t.equal(image, `\${NODE_VERSION}-${DEBIAN_SUITE}-slim`);
  }
});

await t.test("the Dockerfile takes the same packages, entry points and programs to the same places", async (t) => {
  const [, stage = ""] = dockerfile.split(/^FROM debian:/m);
  t.match(stage, "source=hack/image,target=/mnt");
  t.match(stage, "sed 's/#.*//' /mnt/packages.txt");
  t.match(stage, "sh /mnt/strip.sh /");
  // As in image.ts: the layers node, entry, shim, lib, page.
  for (const line of [
    "COPY --from=node /usr/local/bin/node /usr/local/bin/node",
    "COPY hack/image/root/ /",
    "COPY LICENSE NOTICE /usr/share/doc/weft/",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Docker's variable, not ours
    "COPY --from=build /src/dist/bin/weft-cni-${TARGETARCH} /opt/weft/bin/weft-cni",
    "COPY --from=build /src/dist/lib/ /opt/weft/lib/",
    "COPY --from=build /src/dist/page/ /opt/weft/page/",
  ]) {
    t.ok(stage.includes(`${line}\n`), line);
  }
  t.equal(stage.match(/^COPY /gm)?.length, 6, "and nothing else");
});

await t.test("sed reads the package list as the code does", async (t) => {
  const { stdout } = await run("sh", ["-c", `sed 's/#.*//' hack/image/packages.txt | xargs -n 1 echo`], { cwd: ROOT });
  t.strictSame(stdout.trim().split("\n"), imagePackages());
  t.strictSame(parsePackages("# a comment\n\nbash # a shell\n  jq\n"), ["bash", "jq"]);
});

await t.test("the image holds what an administrator looks for", async (t) => {
  const packages = imagePackages();
  const wanted =
    "bash iproute2 curl traceroute arping ndisc6 tcpdump iptables ipset nftables openvswitch-switch ovn-central ovn-host";
  for (const name of wanted.split(" ")) t.ok(packages.includes(name), name);
});

await t.test("each command of the chart is in the image and can be run", async (t) => {
  const names = new Set<string>();
  for (const file of globSync(join(ROOT, "charts/weft/templates/*.yaml"))) {
    for (const [path] of readFileSync(file, "utf8").matchAll(/\/opt\/weft\/bin\/[\w-]+/g)) names.add(path);
  }
  t.ok(names.size >= 5, [...names].join(" "));
  for (const name of names) {
    t.doesNotThrow(() => accessSync(join(import.meta.dirname, "root", name), constants.X_OK), name);
  }
});

await t.test("each entry point is a script that its interpreter can read", async (t) => {
  const scripts = globSync("**/*", { cwd: join(import.meta.dirname, "root"), withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  for (const script of scripts) {
    const path = join(script.parentPath, script.name);
    const [program, check] = readFileSync(path, "utf8").startsWith("#!/usr/bin/perl") ? ["perl", "-c"] : ["bash", "-n"];
    const { code, stderr } = await run(program, [check, path], { allowFailure: true });
    t.equal(code, 0, `${script.name} ${stderr}`);
  }
});
