// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import type { Kube } from "../kube/kube.ts";
import type { NodeKernel } from "../node/kernel.ts";
import type { Nftables } from "../node/nftables.ts";
import type { OvsdbClient } from "../ovsdb/client.ts";
import { type Clock, SYSTEM_CLOCK } from "../time/clock.ts";
import { DaemonMetrics } from "./metrics.ts";
import type { DaemonOptions } from "./options.ts";
import type { PodLinks } from "./pods/pod-links.ts";
import { type DaemonSurface, nodeSurface } from "./surface.ts";

/** The outside world as the daemon uses it; in a test it is in memory. */
export interface DaemonParts {
  readonly kube: Kube;
  /** The local Open vSwitch database. */
  readonly ovsdb: OvsdbClient;
  readonly links: PodLinks;
  readonly kernel: NodeKernel;
  readonly nft: Nftables;
  /** See {@link import("./pods/lost-links.ts").watchLostLinks}. */
  watchLostLinks(onLost: (name: string | undefined) => void): { close(): void };
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Default: that of {@link nodeSurface}. */
  readonly surface?: DaemonSurface;
  /** Default: those of this process as well. */
  readonly metrics?: DaemonMetrics;
}

/** The part of a logger that the daemon uses. */
export type DaemonLog = Pick<Logger, "debug" | "info" | "warn" | "error">;

/** What all components of the daemon are made with: the options and the parts, with defaults for those that were not given. */
export interface DaemonContext {
  readonly options: DaemonOptions;
  readonly parts: DaemonParts;
  readonly clock: Clock;
  readonly surface: DaemonSurface;
  readonly metrics: DaemonMetrics;
  readonly log: DaemonLog;
}

/** Fills in the defaults. */
export function daemonContext(options: DaemonOptions, parts: DaemonParts, log: DaemonLog): DaemonContext {
  const { clock = SYSTEM_CLOCK, surface = nodeSurface(options), metrics = new DaemonMetrics(options.nodeName) } = parts;
  return { options, parts, clock, surface, metrics, log };
}
