// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import type { Kube } from "../kube/kube.ts";
import type { OpenSink } from "../recording/recorder.ts";
import type { Clock } from "../time/clock.ts";
import type { CommitObserver } from "./databases/commit-observer.ts";
import type { Northbound } from "./databases/northbound.ts";
import type { Southbound } from "./databases/southbound.ts";
import type { DnsClient } from "./domains/dns-client.ts";
import type { Settings } from "./settings.ts";

/** Everything outside the process that a controller uses, handed in so that tests and simulations own it. */
export interface ControllerParts {
  readonly kube: Kube;
  readonly northbound: Northbound;
  /** Without it there are no facts of the southbound database. */
  readonly southbound?: Southbound;
  readonly settings: Settings;
  readonly log: Logger;
  readonly clock: Clock;
  /** Resolves the domain names in policies with the cluster's DNS; without it they are not resolved. */
  readonly dns?: DnsClient;
  /** Counts the transactions of the northbound database. */
  readonly observer?: CommitObserver;
  /** Up to how many pods and IP objects a new leader lists all of them; see `sources.ts`. */
  readonly listedWhole?: number;
  /** Records the facts that this process receives and the transactions that it commits while it leads; absent: nothing is recorded. */
  readonly record?: OpenSink;
  /** Called when this process begins to lead, and when it ceases to. */
  readonly onLeading?: (leads: boolean) => void;
  /** Called when everything has been read, and again when everything is compiled: memory that only this needed can be freed. */
  readonly settled?: () => void;
}
