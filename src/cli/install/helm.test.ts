// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { watch } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { findHelm, type HelmChoice } from "./helm.ts";
import { HELM_VERSION, helmPlatform } from "./helm-pin.ts";
import { helmOf, imageValues } from "./helm-run.ts";
import { runProgram } from "./run.ts";

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "weft-helm-"));
  t.teardown(() => rm(path, { recursive: true }));
  return path;
}

async function program(path: string, script: string): Promise<string> {
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

const refuse = async (): Promise<boolean> => false;

t.test("helm is the given one, or that of the PATH, and 3.17 or newer", async (t) => {
  const [one, two] = [await folder(t), await folder(t)];
  const given = await program(join(one, "my-helm"), "echo v4.1.4");
  const found = await program(join(two, "helm"), "echo v3.17.0");
  const env = { PATH: `/nonexistent:${two}`, HOME: one };
  t.equal(await findHelm({ given, env, confirm: refuse }), given);
  t.equal(await findHelm({ env, confirm: refuse }), found);
  await program(found, "echo v3.16.4");
  await t.rejects(findHelm({ env, confirm: refuse }), { code: "no-helm", message: /is v3\.16\.4; 3\.17 or newer/ });
  await program(found, "echo v3.22");
  t.equal(await findHelm({ env, confirm: refuse }), found, "built without a patch version");
  await program(found, "exit 1");
  await t.rejects(findHelm({ env, confirm: refuse }), { code: "no-helm", message: /does not answer/ });
  await t.rejects(findHelm({ given: join(one, "none"), env, confirm: refuse }), {
    code: "no-helm",
    message: /failed to run/,
  });
});

t.test("if there is none it is downloaded after confirmation, kept, and only with the right SHA-256", async (t) => {
  const work = await folder(t);
  const platform = helmPlatform();
  await mkdir(join(work, platform));
  await program(join(work, platform, "helm"), `echo ${HELM_VERSION}`);
  await runProgram("tar", ["-czf", join(work, "archive"), "-C", work, platform]);
  const archive = await readFile(join(work, "archive"));
  let requests = 0;
  const server = createServer(({ url }, answer) => {
    requests++;
    if (url === `/helm-${HELM_VERSION}-${platform}.tar.gz`) answer.end(archive);
    else answer.writeHead(404).end();
  }).listen(0, "127.0.0.1");
  t.teardown(() => server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  const choice: HelmChoice = {
    env: { PATH: "/nonexistent", XDG_CACHE_HOME: join(work, "cache") },
    source: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sha256: createHash("sha256").update(archive).digest("hex"),
    confirm: async () => true,
  };
  await t.rejects(findHelm({ ...choice, confirm: refuse }), { code: "no-helm", message: /--helm PATH, or allow/ });
  t.equal(requests, 0);
  await t.rejects(findHelm({ ...choice, sha256: "0".repeat(64) }), {
    code: "no-helm",
    message: /has SHA-256 .* instead of 000/,
  });
  t.same(await readdir(join(work, "cache", "weftctl")).catch(() => []), [], "nothing of it is kept");
  const kept = join(work, "cache", "weftctl", `helm-${HELM_VERSION}`);
  t.equal(await findHelm(choice), kept);
  t.equal(await findHelm({ ...choice, confirm: refuse }), kept, "the second time no confirmation is needed");
  t.equal(requests, 2);
  t.same(await readdir(join(work, "cache", "weftctl")), [`helm-${HELM_VERSION}`]);
});

t.test(
  "helm is called for the release, with the values in their order, and the derived values below all",
  async (t) => {
    const work = await folder(t);
    const log = join(work, "log");
    const fake = await program(
      join(work, "helm"),
      `for a in "$@"; do echo "$a" >>${log}; case $a in --values=*found.json) cat "\${a#--values=}" >>${log}; echo >>${log};; esac; done
echo "kube: $HELM_KUBECONTEXT$HELM_NAMESPACE, driver: $HELM_DRIVER" >>${log}
case "$*" in *" template "*) echo "---"; echo "# Source: weft/templates/values.yaml"; echo '{"mtu":0,"ipv4":{"a":"1"}}';; *) echo '{"manifest":"objects"}';; esac`,
    );
    for (const name of ["HELM_KUBECONTEXT", "HELM_NAMESPACE", "HELM_DRIVER"]) process.env[name] = "other";
    t.teardown(() => {
      for (const name of ["HELM_KUBECONTEXT", "HELM_NAMESPACE", "HELM_DRIVER"]) delete process.env[name];
    });
    const chart = join(import.meta.dirname, "../../../charts/weft");
    const helm = helmOf({
      program: fake,
      release: "weft",
      namespace: "kube-system",
      kubeconfig: "k",
      context: undefined,
    });
    const values = {
      found: { ipFamily: "dual" },
      files: ["mine.yaml"],
      sets: ["mtu=1400"],
      image: "registry:5000/weft:1",
    };
    t.same(await helm.effectiveValues(chart, values), { mtu: 0, ipv4: { a: "1" } });
    await rm(log);
    t.equal(await helm.install("chart", values, { dryRun: true }), "objects");
    const said = (await readFile(log, "utf8")).split("\n");
    t.match(said.slice(0, 5), ["--kubeconfig=k", "--namespace=kube-system", "upgrade", "--install", "weft"]);
    t.ok(
      said.includes("--take-ownership") && said.includes("--dry-run=server") && said.includes('{"ipFamily":"dual"}'),
    );
    t.match(said.slice(-6), [
      "--values=mine.yaml",
      "--set=mtu=1400",
      "--set-string=image.repository=registry:5000/weft",
      "--set-string=image.tag=1",
      "kube: , driver: other",
      "",
    ]);
    await program(fake, "echo 'Error: UPGRADE FAILED: values do not match the schema' >&2; exit 1");
    await t.rejects(helm.install("chart", values, { dryRun: false }), {
      code: "helm-failed",
      message: "helm upgrade failed: values do not match the schema",
    });
  },
);

t.test("the values of a release are those that helm has recorded, and of no release there are none", async (t) => {
  const fake = join(await folder(t), "helm");
  const target = { program: fake, release: "weft", namespace: "kube-system", kubeconfig: "k", context: undefined };
  await program(fake, `case "$*" in *"get values weft --output=json") echo '{"mtu":1400}';; esac`);
  t.same(await helmOf(target).recordedValues(), { mtu: 1400 });
  await program(fake, "echo null");
  t.same(await helmOf(target).recordedValues(), {});
  await program(fake, "echo 'Error: release: not found' >&2; exit 1");
  t.equal(await helmOf(target).recordedValues(), undefined);
  await program(fake, "echo 'Error: Kubernetes cluster unreachable' >&2; exit 1");
  await t.rejects(helmOf(target).recordedValues(), { code: "helm-failed", message: /unreachable$/ });
});

t.test("helm is interrupted with the installation, and its end is waited for", async (t) => {
  const work = await folder(t);
  const fake = await program(
    join(work, "helm"),
    `trap 'kill $!; echo marked >${join(work, "release")}; exit 1' INT; sleep 30 & echo >${join(work, "runs")}; wait`,
  );
  const control = new AbortController();
  const target = { program: fake, release: "weft", namespace: "kube-system", kubeconfig: "k", context: undefined };
  const values = { found: {}, files: [], sets: [], image: undefined };
  const runs = new Promise<void>((resolve) => {
    const watcher = watch(work, (_, name) => {
      if (name !== "runs") return;
      watcher.close();
      resolve();
    });
  });
  const installed = helmOf({ ...target, signal: control.signal }).install("chart", values, { dryRun: false });
  await runs;
  control.abort(new Error("interrupted"));
  await t.rejects(installed, { message: "interrupted" });
  t.equal(await readFile(join(work, "release"), "utf8"), "marked\n");
});

t.test("a removal whose pods have not ended in time is distinguished from a failed one", async (t) => {
  const fake = join(await folder(t), "helm");
  const target = { program: fake, release: "weft", namespace: "kube-system", kubeconfig: "k", context: undefined };
  await program(fake, "exit 0");
  t.equal(await helmOf(target).uninstall(1), true);
  await program(fake, "echo 'Error: uninstallation completed with 1 error(s): context deadline exceeded' >&2; exit 1");
  t.equal(await helmOf(target).uninstall(1), false);
  await program(fake, "echo 'Error: uninstallation completed with 1 error(s): forbidden' >&2; exit 1");
  await t.rejects(helmOf(target).uninstall(1), { code: "helm-failed", message: /forbidden$/ });
});

t.test("the remains of a killed installation are reported with what to do", async (t) => {
  const text = "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress";
  const fake = await program(join(await folder(t), "helm"), `echo '${text}' >&2; exit 1`);
  const target = { program: fake, release: "weft", namespace: "kube-system", kubeconfig: "k", context: undefined };
  const values = { found: {}, files: [], sets: [], image: undefined };
  await t.rejects(helmOf(target).install("chart", values, { dryRun: false }), {
    code: "helm-failed",
    message: /in progress\n.*helm -n kube-system rollback weft\n.*helm -n kube-system uninstall weft/,
  });
});

t.test("an image is its repository and, after the last colon, its tag", async (t) => {
  t.same(imageValues("weft"), ["image.repository=weft"]);
  t.same(imageValues("registry:5000/weft"), ["image.repository=registry:5000/weft"]);
  t.same(imageValues("registry:5000/weft:0.1"), ["image.repository=registry:5000/weft", "image.tag=0.1"]);
});
