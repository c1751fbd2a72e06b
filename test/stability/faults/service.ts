// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { StabilityError } from "../errors.ts";
import { plugin } from "../plugin.ts";
import { pauseOrAbort } from "../run/pause.ts";
import type { Stage } from "../run/stage.ts";
import { CLUSTER_PARTS, type ClusterPart, type PartName, partNamed, partNames } from "../targets/parts.ts";
import type { ProcessHandle } from "../targets/target.ts";
import type { ClusterFault, Injected } from "./fault.ts";

/** How long a part may take until it runs again, in milliseconds: kubelet pauses up to five minutes before it restarts a container. */
const BACK_MS = 360_000;

/** How long a fault waits for a process of its part, and the interval of its checks, in milliseconds: no event reports that one has started. */
const STARTS_MS = 10_000;
const LOOK_MS = 100;

const options = z
  .strictObject({
    part: z.string(),
    role: z.enum(["leader", "standby", "follower"]).optional(),
    /** `all`, `one` (by the seed), or the name of a node. */
    on: z.string().default("all"),
  })
  .transform(({ part: word, role, on }, context) => {
    const name = partNamed(word);
    if (name === undefined) {
      const message = `unknown part "${word}"; must be one of: ${partNames().join(", ")}`;
      context.addIssue({ code: "custom", message, path: ["part"] });
      return z.NEVER;
    }
    const roles: readonly string[] = CLUSTER_PARTS[name].roles;
    if (role !== undefined && !roles.includes(role)) {
      const allowed = roles.length === 0 ? "it has no roles" : `must be one of: ${roles.join(", ")}`;
      context.addIssue({ code: "custom", message: `${name} has no role ${role}; ${allowed}`, path: ["role"] });
      return z.NEVER;
    }
    const part: ClusterPart = role === undefined ? { name } : { name, role };
    return { part, on };
  });

interface Aim {
  readonly part: ClusterPart;
  readonly on: string;
}

/** SIGKILL. The part's supervisor restarts it; without one, it is started when the fault ends. */
export const KILL = plugin({
  name: "kill",
  summary: "SIGKILL to a part: part, role, on (all, one, or a node)",
  options,
  bind: (aim): ClusterFault => ({
    ...common("kill", aim),
    lasts: false,
    inject: (stage) => ended(stage, aim, "SIGKILL"),
  }),
});

/** SIGTERM: the part stops normally and restarts. */
export const RESTART = plugin({
  name: "restart",
  summary: "SIGTERM to a part, which starts again: part, role, on",
  options,
  bind: (aim): ClusterFault => ({
    ...common("restart", aim),
    lasts: false,
    inject: (stage) => ended(stage, aim, "SIGTERM"),
  }),
});

/** SIGSTOP until the fault ends: the part keeps its connections and locks, and does not answer. */
export const HANG = plugin({
  name: "hang",
  summary: "SIGSTOP to a part, SIGCONT at the end: part, role, on",
  options,
  bind: (aim): ClusterFault => ({
    ...common("hang", aim),
    lasts: true,
    async inject(stage): Promise<Injected> {
      const hit = await choose(stage, aim);
      const done = stage.record({ by: "target", kind: "resume", processes: [...hit] });
      await Promise.all(hit.map((process) => stage.target.signal(process, "SIGSTOP")));
      return {
        hit: shownProcesses(hit),
        async end() {
          const alive = await Promise.all(hit.map((process) => stage.target.signal(process, "SIGCONT")));
          done();
          // kubelet may have killed it meanwhile because of a failed probe.
          await Promise.all(
            hit.filter((_, n) => !alive[n]).map((process) => stage.target.back(process, BACK_MS, stage.signal)),
          );
        },
      };
    },
  }),
});

function common(action: string, { part, on }: Aim): Pick<ClusterFault, "needs" | "shown"> {
  const role = part.role === undefined ? "" : ` ${part.role}`;
  const where = on === "all" ? "" : on === "one" ? " on one node" : ` on ${on}`;
  return { needs: [`signal:${part.name}`], shown: `${action} ${part.name}${role}${where}` };
}

/** Ends processes, and waits until new ones run instead. */
async function ended(stage: Stage, aim: Aim, signal: "SIGKILL" | "SIGTERM"): Promise<Injected> {
  const hit = await choose(stage, aim);
  const done = hit.map((process) => stage.record({ by: "target", kind: "start", process }));
  await Promise.all(hit.map((process) => stage.target.signal(process, signal)));
  return {
    hit: shownProcesses(hit),
    async end() {
      await Promise.all(hit.map((process) => stage.target.back(process, BACK_MS, stage.signal)));
      for (const each of done) each();
    },
  };
}

/**
 * The affected processes. A part that another fault has just ended is waited for: a northbound database that ends takes northd with it. Throws StabilityError
 * `fault` if there is none.
 */
async function choose(stage: Stage, { part, on }: Aim): Promise<readonly ProcessHandle[]> {
  const look = async (): Promise<readonly ProcessHandle[]> => {
    const all = await stage.target.processes(part);
    return on === "all" || on === "one" ? all : all.filter(({ node }) => node === on);
  };
  const until = stage.clock.now() + STARTS_MS;
  let there = await look();
  // To ask for roles takes longer than the pause.
  while (there.length === 0 && stage.clock.now() < until && !stage.signal.aborted) {
    await pauseOrAbort(stage.clock, LOOK_MS, stage.signal);
    there = await look();
  }
  const role = part.role === undefined ? "" : ` (${part.role})`;
  if (there.length === 0) {
    const where = on === "all" || on === "one" ? "" : ` on ${on}`;
    throw new StabilityError("fault", `no ${part.name}${role} runs${where}`);
  }
  if (on !== "one") return there;
  const one = there[Math.floor(stage.random() * there.length)];
  return one === undefined ? there : [one];
}

function shownProcesses(hit: readonly ProcessHandle[]): string {
  return hit.map(({ part, node }: { part: PartName; node: string }) => `${part} on ${node}`).join(", ");
}
