// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type ClusterStatus, parseClusterStatus } from "../../ovsdb/cluster-status.ts";
import { type Control, ControlError, daemonControl, socketByPid } from "../ovs/unixctl.ts";

/** A datapath of Open vSwitch (ovs-dpctl(8), `show`). */
export interface Datapath {
  readonly name: string;
  readonly hit: number;
  readonly missed: number;
  readonly lost: number;
  readonly flows: number;
  readonly ports: number;
}

/** A database of OVN whose server runs on this node. */
export interface DatabaseHealth {
  readonly name: string;
  /** Whether its storage works (`ovsdb-server/get-db-storage-status`). */
  readonly ok: boolean;
  /** Absent for a single server. */
  readonly cluster?: ClusterStatus;
  /** Clients that are connected. */
  readonly sessions: number;
  /** Size of its file, as last reported by the readiness probe of ovn-central. */
  readonly fileBytes?: number;
}

/** The reported state of Open vSwitch and OVN on one node. */
export interface NodeHealth {
  /** Daemons of Open vSwitch → whether they answer. */
  readonly ovs: Readonly<Record<"ovsdb-server" | "ovs-vswitchd", boolean>>;
  readonly datapaths: readonly Datapath[];
  /** Whether ovn-controller is connected to the southbound database; undefined where it does not answer. */
  readonly controllerConnected: boolean | undefined;
  /** The databases that are served here, or were until a crash. */
  readonly databases: readonly (DatabaseHealth | { readonly name: string; readonly ok: false })[];
  /** `active` or `standby`; `failed` if it does not answer; absent if it does not run here. */
  readonly northd?: "active" | "standby" | "failed";
}

/** The folders of the sockets of Open vSwitch and OVN. */
export interface HealthFolders {
  readonly ovs: string;
  readonly ovn: string;
}

const DEADLINE_MS = 2_000;
const DATABASES = [
  ["OVN_Northbound", "ovnnb_db"],
  ["OVN_Southbound", "ovnsb_db"],
] as const;
/**
 * The file to which the readiness probe of ovn-central writes the sizes of the databases' files, see
 * `hack/image/root/opt/weft/bin/central-health`.
 */
const SIZES = "weft-db-sizes";

/**
 * Queries the daemons of this node. Never rejects: a daemon that does not answer within `deadlineMs` is reported as
 * such.
 */
export async function readNodeHealth(folders: HealthFolders, deadlineMs = DEADLINE_MS): Promise<NodeHealth> {
  const of = (folder: string, daemon: string): Control =>
    daemonControl(daemon, () => socketByPid(folder, daemon), deadlineMs);
  const vswitchd = of(folders.ovs, "ovs-vswitchd");
  const shown = vswitchd("dpctl/show");
  const [show, up, ovsdbUp, connection, databases, northd] = await Promise.all([
    answer(shown),
    answers(shown),
    answers(of(folders.ovs, "ovsdb-server")("version")),
    answer(of(folders.ovn, "ovn-controller")("connection-status")),
    readDatabases(folders.ovn, deadlineMs),
    readNorthd(folders.ovn, deadlineMs),
  ]);
  return {
    ovs: { "ovsdb-server": ovsdbUp, "ovs-vswitchd": up },
    datapaths: parseDatapaths(show ?? ""),
    controllerConnected: connection && connection.trim() === "connected",
    databases,
    ...(northd && { northd }),
  } as NodeHealth;
}

async function readNorthd(folder: string, deadlineMs: number): Promise<NodeHealth["northd"]> {
  const socket = await answer(socketByPid(folder, "ovn-northd"));
  if (socket === undefined) return undefined;
  const status = (await answer(daemonControl("ovn-northd", async () => socket, deadlineMs)("status"))) ?? "";
  return status.includes("active") ? "active" : status.includes("standby") ? "standby" : "failed";
}

async function readDatabases(folder: string, deadlineMs: number): Promise<NodeHealth["databases"]> {
  const pids = await Promise.all(DATABASES.map(([, file]) => answer(readFile(join(folder, `${file}.pid`), "utf8"))));
  const here = DATABASES.filter((_, index) => pids[index] !== undefined);
  if (here.length === 0) return [];
  const sizes = parseSizes((await answer(readFile(join(folder, SIZES), "utf8"))) ?? "");
  return await Promise.all(
    here.map(async ([name, file]) => {
      const control = daemonControl(file, async () => join(folder, `${file}.ctl`), deadlineMs);
      const [storage, memory, status] = await Promise.all([
        answer(control("ovsdb-server/get-db-storage-status", name)),
        answer(control("memory/show")),
        answer(control("cluster/status", name)),
      ]);
      if (storage === undefined) return { name, ok: false };
      const cluster = parseClusterStatus(status ?? "");
      const fileBytes = sizes.get(`${file}.db`);
      return {
        name,
        ok: storage.includes("status: ok"),
        ...(cluster && { cluster }),
        sessions: Number(/\bsessions:(\d+)/.exec(memory ?? "")?.[1] ?? 0),
        ...(fileBytes !== undefined && { fileBytes }),
      };
    }),
  );
}

/** Parses the output of `dpctl/show`. */
export function parseDatapaths(text: string): readonly Datapath[] {
  // Each datapath begins in the first column: "netdev@ovs-netdev:".
  return text.split(/^(?=\S)/m).flatMap((part) => {
    const [, name] = /^(\S+):\n/.exec(part) ?? [];
    if (name === undefined) return [];
    const number = (pattern: RegExp): number => Number(pattern.exec(part)?.[1] ?? 0);
    return [
      {
        name,
        hit: number(/lookups:.* hit:(\d+)/),
        missed: number(/lookups:.* missed:(\d+)/),
        lost: number(/lookups:.* lost:(\d+)/),
        flows: number(/^\s+flows: (\d+)/m),
        ports: [...part.matchAll(/^\s+port \d+:/gm)].length,
      },
    ];
  });
}

/** File → bytes. */
function parseSizes(text: string): ReadonlyMap<string, number> {
  return new Map([...text.matchAll(/^(\S+) (\d+)$/gm)].map(([, file = "", size]) => [file, Number(size)]));
}

/** The result of a promise; undefined if it rejects. */
function answer<T>(promise: Promise<T>): Promise<T | undefined> {
  return promise.catch(() => undefined);
}

/** Whether a daemon has answered, even with an error, as ovs-vswitchd does if it cannot open a datapath. */
function answers(promise: Promise<string>): Promise<boolean> {
  return promise.then(
    () => true,
    (error: unknown) => error instanceof ControlError && error.code === "refused",
  );
}
