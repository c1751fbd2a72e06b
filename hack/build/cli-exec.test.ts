// SPDX-License-Identifier: Apache-2.0

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import t from "tap";
import { type RunningWeftctl, serveCluster, startProgram } from "../../src/cli/testing/served-cluster.ts";
import type { ServeOptions } from "../../src/kube/testing/fake-http.ts";
import type { FakeExec } from "../../src/kube/testing/fake-pod-streams.ts";
import { compile } from "./build.ts";
import { ROOT } from "./npm.ts";

const openssl = ["/usr/bin/openssl", "/usr/local/bin/openssl"].find((path) => existsSync(path));

t.test(
  "weftctl as one executable runs commands in pods, by TLS with the account's certificate",
  { skip: openssl === undefined && "needs openssl to create certificates" },
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "weftctl-"));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const read = (file: string): string => readFileSync(join(folder, file), "utf8");
    for (const name of ["server", "client"]) {
      const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
      const names = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
      const files = ["-keyout", join(folder, `${name}.key`), "-out", join(folder, `${name}.crt`)];
      execFileSync(openssl ?? "", [...args, ...names, ...files], { stdio: "ignore" });
    }
    const program = join(folder, "weftctl");
    // It has its own implementation of the package ws, of Node's TLS and of its streams.
    await compile([], join(ROOT, "src/cli/main.ts"), program);

    const commands: ((running: FakeExec) => void)[] = [];
    const next = (): Promise<FakeExec> => new Promise((resolve) => commands.push(resolve));
    const message =
      'pods "ovs-2" is forbidden: User "jane" cannot create resource "pods/exec" in API group "" in the namespace "kube-system"';
    let allowed = true;
    const refuse: NonNullable<NonNullable<ServeOptions["streams"]>["refuse"]> = ({ socket }) => {
      const caller = (socket as TLSSocket).getPeerCertificate().subject?.CN;
      if (allowed && caller === "client") return undefined;
      return { status: 403, body: { kind: "Status", reason: "Forbidden", code: 403, message } };
    };
    const { url } = await serveCluster(t, {
      tls: { key: read("server.key"), cert: read("server.crt"), ca: read("client.crt"), requestCert: true },
      streams: { refuse, exec: (running) => commands.shift()?.(running) },
    });
    const data = (file: string): string => readFileSync(join(folder, file)).toString("base64");
    const kubeconfig = join(folder, "config");
    await writeFile(
      kubeconfig,
      JSON.stringify({
        ...{ apiVersion: "v1", kind: "Config", "current-context": "lab" },
        clusters: [{ name: "lab", cluster: { server: url, "certificate-authority-data": data("server.crt") } }],
        users: [
          {
            name: "jane",
            user: { "client-certificate-data": data("client.crt"), "client-key-data": data("client.key") },
          },
        ],
        contexts: [{ name: "lab", context: { cluster: "lab", user: "jane" } }],
      }),
    );
    const weftctl = (...args: readonly string[]): RunningWeftctl => startProgram([program], { kubeconfig }, args);

    let started = next();
    let running = weftctl("vsctl", "weft-2", "show");
    let exec = await started;
    const large = "x".repeat(3_000_000);
    for (let at = 0; at < large.length; at += 50_000) exec.stdout(large.slice(at, at + 50_000));
    exec.stderr("careful\n");
    exec.exit(7);
    const ended = await running.ended;
    t.same([ended.code, ended.err, ended.out.length], [7, "careful\n", large.length]);

    started = next();
    running = weftctl("ofctl", "weft-2", "add-flows", "br-int", "-");
    exec = await started;
    running.write("actions=drop\n");
    running.endInput();
    while (!exec.inputEnded) await exec.received();
    t.equal(exec.input, "actions=drop\n");
    exec.exit(0);
    t.equal((await running.ended).code, 0);

    started = next();
    running = weftctl("tcpdump", "web");
    exec = await started;
    exec.stderr("listening\n");
    await running.says("listening");
    running.kill("SIGINT");
    while (!exec.inputEnded) await exec.received();
    exec.stderr("2 packets captured\n");
    exec.exit(0);
    t.same(await running.ended, { code: 0, out: "", err: "listening\n2 packets captured\n" });

    allowed = false;
    t.same(await weftctl("vsctl", "weft-2", "show").ended, {
      ...{ code: 2, out: "" },
      err: "this account lacks the verb create on pods/exec in namespace kube-system\n",
    });
  },
);
