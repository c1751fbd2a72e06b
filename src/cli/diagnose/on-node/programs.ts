// SPDX-License-Identifier: Apache-2.0

import { execFile } from "node:child_process";
import { isObject } from "../../../collections/plain.ts";
import type { ChecksumCounters, LinkView, RouteView } from "./node-view.ts";

/** The end of a program: its exit code (undefined: it could not be run, or timed out) and output. */
export interface ProgramResult {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program and resolves with its end. Never rejects. */
export type Run = (command: readonly [string, ...string[]], timeoutMs?: number) => Promise<ProgramResult>;

const TIMEOUT_MS = 10_000;
/** More output is cut off. */
const MAX_OUTPUT = 16 * 2 ** 20;

/** {@link Run} on this machine. */
export const runHere: Run = ([program, ...args], timeoutMs = TIMEOUT_MS) => {
  const { promise, resolve } = Promise.withResolvers<ProgramResult>();
  execFile(program, args, { timeout: timeoutMs, maxBuffer: MAX_OUTPUT }, (error, stdout, stderr) => {
    const code = error === null ? 0 : typeof error.code === "number" ? error.code : undefined;
    resolve({ code, stdout, stderr: stderr || (error?.message ?? "") });
  });
  return promise;
};

/** Parses `ip -j address show` (ip-address(8)). Link-local addresses are left out. */
export function readLinks(text: string): readonly LinkView[] {
  return objects(text).map((link) => {
    const flags = Array.isArray(link["flags"]) ? link["flags"] : [];
    const infos: readonly unknown[] = Array.isArray(link["addr_info"]) ? link["addr_info"] : [];
    return {
      name: String(link["ifname"]),
      mtu: Number(link["mtu"]),
      up: flags.includes("UP"),
      addresses: infos.flatMap((info) => (isObject(info) && info["scope"] !== "link" ? [String(info["local"])] : [])),
    };
  });
}

/** Parses `ip -j route show` (ip-route(8)). */
export function readRoutes(text: string, family: 4 | 6): readonly RouteView[] {
  return objects(text).flatMap((route): readonly RouteView[] => {
    const destination = String(route["dst"]);
    const hops: readonly unknown[] = Array.isArray(route["nexthops"]) ? route["nexthops"] : [route];
    return hops.flatMap((hop) =>
      isObject(hop) && hop["dev"] !== undefined ? [{ destination, device: String(hop["dev"]), family }] : [],
    );
  });
}

function objects(text: string): readonly Readonly<Record<string, unknown>>[] {
  if (text.trim() === "") return [];
  const list: unknown = JSON.parse(text);
  return Array.isArray(list) ? list.filter(isObject) : [];
}

/** Parses /proc/net/snmp and /proc/net/snmp6 (proc(5)): TCP counts both families, UDP has a counter for each. */
export function readChecksums(text: string): ChecksumCounters {
  const lines = text.split("\n");
  const of = (protocol: string, name: string): number => {
    const [names, values] = lines.filter((line) => line.startsWith(`${protocol}: `)).map((line) => line.split(/\s+/));
    const index = names?.indexOf(name) ?? -1;
    return index < 0 ? 0 : Number(values?.[index] ?? 0);
  };
  const six = (name: string): number => Number(new RegExp(`^${name}\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
  return {
    received: of("Tcp", "InSegs") + of("Udp", "InDatagrams") + six("Udp6InDatagrams"),
    wrong: of("Tcp", "InCsumErrors") + of("Udp", "InCsumErrors") + six("Udp6InCsumErrors"),
  };
}

/** Whether `ethtool -k` says that checksums of sent packets are left to the device. */
export function leavesChecksums(text: string): boolean {
  return /^tx-checksumming: on/m.test(text);
}

/** Pods, peers and probes at a time: each is a process or a few. */
const CONCURRENT = 8;

/** Calls `look` for each, for some at the same time; in the order of `list`. */
export async function eachOf<T, R>(list: readonly T[], look: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  const left = list.entries();
  const worker = async (): Promise<void> => {
    for (const [i, item] of left) results[i] = await look(item);
  };
  await Promise.all(Array.from({ length: CONCURRENT }, worker));
  return results;
}
