// SPDX-License-Identifier: Apache-2.0

import { type RunResult, run } from "../host/run.ts";

/** One attempt to reach something. */
export interface ProbeResult {
  readonly ok: boolean;
  /** Milliseconds as the tool measured them; the whole attempt where it failed. */
  readonly ms: number;
  /** The response, or why there was none. */
  readonly detail: string;
}

/** Runs a command somewhere: in a pod's network namespace or in a node. */
export type Exec = (command: readonly string[]) => Promise<RunResult>;

/** Runs commands in a network namespace: 3 ms instead of the 70 ms of an exec through kubelet. */
export function inNetns(path: string): Exec {
  return (command) => run("nsenter", [`--net=${path}`, ...command], { allowFailure: true, timeoutMs: 15_000 });
}

/** One ICMP echo; an answer is waited for for so many whole seconds. */
export async function ping(exec: Exec, address: string, seconds = 3): Promise<ProbeResult> {
  const started = performance.now();
  const { code, stdout, stderr } = await exec(["busybox", "ping", "-c", "1", "-W", `${seconds}`, address]);
  const rtt = /time=([\d.]+) ms/.exec(stdout)?.[1];
  if (code === 0 && rtt !== undefined) return { ok: true, ms: Number(rtt), detail: "echo" };
  return { ok: false, ms: performance.now() - started, detail: lastLine(stderr || stdout) };
}

/** One HTTP GET; `expect` is what the body must contain. */
export async function http(exec: Exec, url: string, expect?: string): Promise<ProbeResult> {
  const format = "\\n%{http_code} %{time_total}";
  const { stdout, stderr } = await exec(["curl", "-sS", "-g", "--noproxy", "*", "--max-time", "5", "-w", format, url]);
  const lines = stdout.trimEnd().split("\n");
  const [status = "", time = "0"] = (lines.pop() ?? "").split(" ");
  const body = lines.join("\n").trim();
  const ok = status === "200" && (expect === undefined || body.includes(expect));
  return {
    ok,
    ms: Number(time) * 1000,
    detail: ok ? body.slice(0, 80) : `${lastLine(stderr) || `HTTP ${status}`} ${body.slice(0, 80)}`.trim(),
  };
}

/** One DNS query of the given type to `server`. */
export async function resolve(exec: Exec, name: string, type: "A" | "AAAA", server: string): Promise<ProbeResult> {
  const started = performance.now();
  const { code, stdout, stderr } = await exec(["busybox", "nslookup", `-type=${type.toLowerCase()}`, name, server]);
  const ms = performance.now() - started;
  // What stands before the first name is the server that was asked.
  const answer = stdout.slice(Math.max(0, stdout.indexOf("Name:")));
  const found = stdout.includes("Name:")
    ? [...answer.matchAll(/^Address:\s+(\S+)$/gm)].map((match) => match[1] ?? "")
    : [];
  const ok = code === 0 && found.length > 0;
  return { ok, ms, detail: ok ? found.join(" ") : lastLine(stderr || stdout) };
}

/** An address as the host of a URL: IPv6 in brackets (RFC 3986 §3.2.2). */
export function urlHost(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
