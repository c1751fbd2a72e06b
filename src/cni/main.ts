// SPDX-License-Identifier: Apache-2.0

/**
 * weft-cni: the CNI plugin that kubelet's runtime starts once per pod and verb (installed as /opt/cni/bin/kube-ovn).
 *
 * It has no network logic: it sends environment and stdin as one message to weft-daemon and converts the response to
 * a CNI result. It is compiled to one executable, and its imports determine its start-up time.
 */
import { readFileSync, writeSync } from "node:fs";
import { runPlugin } from "./plugin.ts";
import { post } from "./post-to-daemon.ts";

/** A configuration with the results of a whole chain is a few KiB; GC's list grows with the node's pods. */
const MAX_STDIN_BYTES = 16 * 1024 * 1024;

function readStdin(): string {
  const bytes = readFileSync(0);
  if (bytes.length > MAX_STDIN_BYTES) throw new Error("the network configuration is longer than 16 MiB");
  return bytes.toString("utf8");
}

function writeStdout(text: string): void {
  // Written synchronously: an asynchronous write to a pipe may be lost when the process exits.
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
}

function main(): void {
  if (!process.env["CNI_COMMAND"]) {
    process.stderr.write("weft-cni is a CNI plugin; a container runtime starts it (CNI SPEC 1.1)\n");
  }
  // Unique on a node, and cheaper than random bytes: a pid is not reused while its process runs.
  const requestId = `${Date.now().toString(36)}-${process.pid.toString(36)}`;
  const now = (): number => performance.now();
  const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  runPlugin({ env: process.env, requestId, readStdin, writeStdout, post, now, wait }).then(
    (code) => process.exit(code),
    () => process.exit(1),
  );
}

main();
