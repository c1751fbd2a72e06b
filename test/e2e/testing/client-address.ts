// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { type Exec, http, inNetns, urlHost } from "../../../hack/traffic/probe.ts";

const SERVER = fileURLToPath(new URL("../../../hack/lab/echo.ts", import.meta.url));

/** Starts the lab's server outside (`hack/lab/echo.ts`) on port 80 of addresses in another network namespace too, until the end of the test. Resolves when it answers. */
export async function clientAddressServer(t: Test, netns: string, addresses: readonly string[]): Promise<void> {
  const server = spawn("nsenter", [`--net=${netns}`, process.execPath, SERVER, "80", ...addresses], {
    stdio: "inherit",
  });
  t.teardown(() => server.kill());
  for (const address of addresses)
    await until(`${address} answers`, 20_000, async () => (await seenOutside(inNetns(netns), address)) !== "", 200);
}

/** The answer of a pod's server (agnhost's `netexec`) to an HTTP request, as `hostname` or `clientip`; "" without one. */
export async function askByHttp(from: Exec, host: string, port: number, word: string): Promise<string> {
  const { ok, detail } = await http(from, `http://${urlHost(host)}:${port}/${word}`);
  return ok ? detail.trim() : "";
}

/** The answer of the same server to one datagram; "" if none arrives within three seconds, or it is refused. */
export async function askByUdp(from: Exec, host: string, port: number, word: string): Promise<string> {
  // One read returns one datagram; a refusal ends it at once.
  const script = `exec 3<>/dev/udp/${host}/${port}; printf ${word} >&3; timeout 3 dd bs=512 count=1 <&3 2>/dev/null`;
  return (await from(["bash", "-c", script])).stdout.trim();
}

/** The client's address as the pod's server sees it; "" if it is not reached. */
export async function seenBy(from: Exec, host: string, port: number): Promise<string> {
  return withoutPort(await askByHttp(from, host, port, "clientip"));
}

/** The same by one datagram. */
export async function seenByUdp(from: Exec, host: string, port: number): Promise<string> {
  return withoutPort(await askByUdp(from, host, port, "clientip"));
}

/** The client's address as the lab's server outside sees it, or one of {@link clientAddressServer}; "" if it is not reached. */
export async function seenOutside(from: Exec, host: string): Promise<string> {
  const { ok, detail } = await http(from, `http://${urlHost(host)}/`);
  return ok ? detail.trim() : "";
}

function withoutPort(text: string): string {
  return text.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}
