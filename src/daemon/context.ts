// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import type { Kube } from "../kube/kube.ts";
import type { NodeKernel } from "../node/kernel.ts";
import type { Nftables } from "../node/nftables.ts";
import type { OvsdbClient } from "../ovsdb/client.ts";
import { type Clock, SYSTEM_CLOCK } from "../time/clock.ts";
import { type HostIo, nodeHostIo } from "./host-io.ts";
import { DaemonMetrics } from "./metrics.ts";
import type { DaemonOptions } from "./options.ts";
import type { PodLinks } from "./pods/pod-links.ts";

/** What the daemon is connected to: the API server, Open vSwitch, the kernel; in a test they are in memory. Opened in `connections.ts`. */
export interface DaemonConnections {
  readonly kube: Kube;
  /** The local Open vSwitch database. */
  readonly ovsdb: OvsdbClient;
  readonly links: PodLinks;
  readonly kernel: NodeKernel;
  readonly nft: Nftables;
  /** See {@link import("./pods/lost-links.ts").watchLostLinks}. */
  watchLostLinks(onLost: (name: string | undefined) => void): { close(): void };
  /** Default: those of this machine. */
  readonly clock?: Clock;
  /** Default: that of {@link nodeHostIo}. */
  readonly hostIo?: HostIo;
  /** The logger whose level can be changed while the daemon runs; in a test there is none. */
  readonly logger?: Pick<Logger, "level" | "info">;
  /** Default: those of this process as well. */
  readonly metrics?: DaemonMetrics;
}

/** The part of a logger that the daemon uses. */
export type DaemonLog = Pick<Logger, "debug" | "info" | "warn" | "error">;

/** What all components of the daemon are made with: the options and the connections, with defaults for those that were not given. */
export interface DaemonContext {
  readonly options: DaemonOptions;
  readonly connections: DaemonConnections;
  readonly clock: Clock;
  readonly hostIo: HostIo;
  readonly metrics: DaemonMetrics;
  readonly log: DaemonLog;
}

/** Fills in the defaults. */
export function daemonContext(options: DaemonOptions, connections: DaemonConnections, log: DaemonLog): DaemonContext {
  const {
    clock = SYSTEM_CLOCK,
    hostIo = nodeHostIo(options),
    metrics = new DaemonMetrics(options.nodeName),
  } = connections;
  return { options, connections, clock, hostIo, metrics, log };
}
