// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Kube } from "../kube/kube.ts";
import { metricsReaders } from "../kube/metrics-readers.ts";
import type { Ip } from "../net/address.ts";
import { forgetUdpFlows } from "../netlink/conntrack.ts";
import { NETLINK_NETFILTER } from "../netlink/route-fd.ts";
import { openNetlink } from "../netlink/socket.ts";
import { releaseStartupPages } from "../netlink/startup-pages.ts";
import { ownCertificate } from "../pki/own-certificate.ts";
import { logRefusals } from "../telemetry/refusal-log.ts";
import { type Served, type Shown, serve } from "../telemetry/serve.ts";
import { SYSTEM_CLOCK } from "../time/clock.ts";
import { ensureFile, removeOwn, writeAtomically } from "./cni/conflist.ts";
import { pluginVersions } from "./cni/plugin-versions.ts";
import { type CniServer, serveCni, type VerbHandlers } from "./cni/server.ts";
import type { DaemonOptions } from "./options.ts";
import { readOvsSettings } from "./ovs/ovs-settings.ts";
import { type Control, vswitchdControl } from "./ovs/unixctl.ts";
import { type ServeHealth, serveHealth } from "./services/health-check-node-port.ts";
import { watchFile } from "./watch-file.ts";

/** The sockets that the daemon serves on its node, and the files that it reads and writes there. */
export interface HostIo {
  /** Serves the shims of this node. */
  serveCni(handlers: VerbHandlers): Promise<CniServer>;
  /** Serves metrics and probes. */
  serveAdmin(shown: Shown): Promise<Pick<Served, "close">>;
  /** See {@link import("../netlink/conntrack.ts").forgetUdpFlows}. */
  forgetUdpFlows(ip: Ip, port: number): number;
  /** See {@link vswitchdControl}. */
  readonly control: Control;
  /** Serves health checks of Services. */
  readonly serveHealth: ServeHealth;
  /** Writes the runtime's network configuration unconditionally. */
  writeConflist(text: string): Promise<void>;
  /** Writes it unless it has that text already. Returns whether it was written. */
  ensureConflist(text: string): Promise<boolean>;
  /** Removes it if it is Weft's. Returns whether it was removed. */
  removeConflist(): Promise<boolean>;
  /** Calls `listener` whenever that file may have changed; see {@link watchFile}. */
  watchConflist(listener: () => void, onFailure: (error: Error) => void): { close(): void };
  /** Versions of the CNI specification that the node's portmap supports; undefined if it does not report them. */
  portmapVersions(): Promise<readonly string[] | undefined>;
  /** The settings that `start-ovs` has made in Open vSwitch's database, see ovs-settings.ts. */
  ovsSettings(): Readonly<Record<string, string>>;
  /** Tells one start of the machine from another (/proc/sys/kernel/random/boot_id). */
  bootId(): string;
  /** Start-up is complete: resources that only start-up needs can be released. */
  started(): void;
}

/** The real implementation: a unix socket, two ports, and the folders that the options name. */
export function nodeHostIo(
  options: DaemonOptions,
  kube: Kube,
  log: { warn(fields: object, message: string): void },
): HostIo {
  const { cniConfDir: folder, cniConfName: name } = options;
  return {
    serveCni: (handlers) => serveCni(options.bindSocket, handlers),
    async serveAdmin(shown) {
      const ports = { metrics: options.metricsPort, health: options.healthPort };
      if (!options.secureServing || ports.metrics === 0) return await serve(ports, shown);
      const key = await ownCertificate(tmpdir(), "weft-daemon", Date.now());
      const admit = metricsReaders(kube, SYSTEM_CLOCK, "/metrics");
      return await serve(ports, shown, { ...key, admit, refused: logRefusals(SYSTEM_CLOCK, log) });
    },
    serveHealth,
    control: vswitchdControl(ovsRunFolder(options.ovsRemote)),
    forgetUdpFlows(ip, port) {
      using socket = openNetlink(undefined, NETLINK_NETFILTER);
      return forgetUdpFlows(socket, ip, port);
    },
    writeConflist: (text) => writeAtomically(folder, name, text),
    ensureConflist: (text) => ensureFile(folder, name, text),
    removeConflist: () => removeOwn(folder, name),
    watchConflist: (listener, onFailure) => watchFile(folder, name, listener, onFailure),
    portmapVersions: () => pluginVersions(join(options.cniBinDir, "portmap")),
    ovsSettings: () => readOvsSettings(options.ovsSettings),
    bootId: () => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
    started: () => void releaseStartupPages(),
  };
}

/** The folder of Open vSwitch's sockets: that of its database's socket. */
export function ovsRunFolder(remote: string): string {
  return remote.startsWith("unix:") ? dirname(remote.slice("unix:".length)) : "/run/openvswitch";
}
