// SPDX-License-Identifier: Apache-2.0

import type { Random } from "./random.ts";
import type { Action } from "./script.ts";

const VPCS = ["green", "blue"] as const;
/** Both VPCs have this range, and BFD ports with this address: sessions of one must not be those of the other. */
const RANGE = "10.88.0.0/28";
const PORT_IP = "10.255.88.1";

/** Two VPCs with BFD ports, in whose subnets the next hops of routes are. */
export function bfdAtFirst(random: Random): Action[] {
  return VPCS.flatMap((name): Action[] => [
    { at: random.int(0, 2_000), do: "vpc", name, spec: { bfdPort: { enabled: true, ip: PORT_IP } } },
    { at: random.int(0, 4_000), do: "subnet", name: `${name}-pods`, spec: { vpc: name, cidrBlock: RANGE } },
  ]);
}

/** One thing that a user does with routes or BFD ports, an administrator with sessions, or northd. */
export function bfdAction(random: Random, at: number): Action[] {
  const vpc = random.pick(VPCS);
  const pick = random.next();
  const what = random.weighted({ session: 6, routes: 6, status: 4, destroy: 1, port: 2, vpc: 1 });
  switch (what) {
    case "session":
      return [{ at, do: "bfd-session", vpc, hop: hopOf(random) }];
    case "routes": {
      const hops = [...new Set(Array.from({ length: random.int(0, 3) }, () => hopOf(random)))];
      const routes = hops.map((hop) => ({ hop, pick: random.next(), mistaken: random.chance(0.4) }));
      return [{ at, do: "bfd-routes", vpc, routes }];
    }
    case "status":
      return [{ at, do: "bfd-status", pick, status: random.pick(["up", "down", "init"]) }];
    case "destroy":
      return [{ at, do: "bfd-destroy", pick }];
    case "port": {
      const port = (enabled: boolean) => ({ bfdPort: { enabled, ip: PORT_IP } });
      const anew: Action = { at: at + random.int(100, 20_000), do: "vpc", name: vpc, spec: port(true) };
      return [{ at, do: "vpc", name: vpc, spec: port(false) }, ...(random.chance(0.8) ? [anew] : [])];
    }
    case "vpc": {
      const spec = { bfdPort: { enabled: true, ip: PORT_IP } };
      return [
        { at, do: "delete", type: "subnets", name: `${vpc}-pods` },
        { at: at + 10, do: "delete", type: "vpcs", name: vpc },
        { at: at + random.int(5_000, 20_000), do: "vpc", name: vpc, spec },
        { at: at + 20_000, do: "subnet", name: `${vpc}-pods`, spec: { vpc, cidrBlock: RANGE } },
      ];
    }
  }
}

function hopOf(random: Random): string {
  return `10.88.0.${random.int(2, 5)}`;
}
