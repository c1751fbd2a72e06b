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

/**
 * The daemon's connections to the API server, Open vSwitch and the kernel; in memory in tests. Opened in
 * `connections.ts`.
 */
export interface DaemonConnections {
  readonly kube: Kube;
  /** The local Open vSwitch database. */
  readonly ovsdb: OvsdbClient;
  readonly links: PodLinks;
  readonly kernel: NodeKernel;
  readonly nft: Nftables;
  /** See {@link import("./pods/lost-links.ts").watchLostLinks}. */
  watchLostLinks(onLost: (name: string | undefined) => void): { close(): void };
  /** Default: the system's clock. */
  readonly clock?: Clock;
  /** Default: {@link nodeHostIo}. */
  readonly hostIo?: HostIo;
  /** The logger whose level can be changed while the daemon runs; absent in tests. */
  readonly logger?: Pick<Logger, "level" | "info">;
  /** Default: the metrics of this process and the daemon's own. */
  readonly metrics?: DaemonMetrics;
}

/** The part of a logger that the daemon uses. */
export type DaemonLog = Pick<Logger, "debug" | "info" | "warn" | "error">;

/** The context of all components: the options and the connections, with defaults for those that are not given. */
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
    hostIo = nodeHostIo(options, connections.kube, log),
    metrics = new DaemonMetrics(options.nodeName),
  } = connections;
  return { options, connections, clock, hostIo, metrics, log };
}
