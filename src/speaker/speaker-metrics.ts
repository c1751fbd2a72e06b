// SPDX-License-Identifier: Apache-2.0

import { Gauge, type Registry } from "prom-client";
import { collectProcessMetrics } from "../telemetry/process-metrics.ts";
import type { Speaker } from "./speaker.ts";

/** The metrics of a speaker; the session's name is Kube-OVN's. */
export function speakerMetrics(registry: Registry, speaker: Pick<Speaker, "announced" | "sessions">): void {
  collectProcessMetrics(registry);
  const registers = [registry];
  new Gauge({
    name: "kube_ovn_speaker_bgp_peer_up",
    help: "Whether the BGP session with the neighbor is established",
    labelNames: ["neighbor"],
    registers,
    collect() {
      for (const { address, up } of speaker.sessions) this.set({ neighbor: address }, up ? 1 : 0);
    },
  });
  new Gauge({
    name: "weft_speaker_announced_routes",
    help: "Routes that neighbors are given",
    registers,
    collect() {
      this.set(speaker.announced);
    },
  });
}
