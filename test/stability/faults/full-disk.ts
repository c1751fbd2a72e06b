// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { StabilityError } from "../errors.ts";
import { plugin } from "../plugin.ts";
import type { Stage } from "../run/stage.ts";
import type { PartName } from "../targets/parts.ts";
import type { ProcessHandle, Target } from "../targets/target.ts";
import type { ClusterFault } from "./fault.ts";

/** The folder to which each part writes, and the parts with open files there: their servers restart when the small disk is mounted and removed. */
const DISKS = {
  daemon: { folder: "/etc/cni/net.d", servers: [] },
  "ovsdb-server": { folder: "/etc/openvswitch", servers: ["ovsdb-server"] },
  nb: { folder: "/etc/ovn", servers: ["nb", "sb"] },
  sb: { folder: "/etc/ovn", servers: ["nb", "sb"] },
} as const satisfies Partial<Record<PartName, { folder: string; servers: readonly PartName[] }>>;

/** Where the folder below the small disk is accessible meanwhile. */
const BELOW = "/tmp/weft-stability-below";
/** This file exists once the copy on the small disk is complete. */
const FILLER = "weft-stability-filler";

/** A script that copies the folder (argument) to a small file system, which is mounted over it in the container, and fills that. */
export const BEGIN_FULL_DISK = `set -e
if mountpoint -q ${BELOW}; then echo "a small disk is over a folder already" >&2; exit 1; fi
mkdir -p ${BELOW}; mount --bind "$1" ${BELOW}
mount -t tmpfs -o size=$(($(du -sk "$1" | cut -f1) + 1024))k tmpfs "$1"
cp -a ${BELOW}/. "$1"/
dd if=/dev/zero of="$1"/${FILLER} bs=4k 2>/dev/null || true
echo changed`;

/**
 * A script that removes it again, and keeps files written to it, but nothing of an incomplete copy. BEGIN or this script may have stopped at any line
 * before; there may be nothing to do.
 */
export const END_FULL_DISK = `set -e
mountpoint -q ${BELOW} || exit 0
if [ "$(stat -c %d "$1")" != "$(stat -c %d ${BELOW})" ]; then
  if [ -e "$1"/${FILLER} ]; then cp -a "$1"/. ${BELOW}/; rm -f ${BELOW}/${FILLER}; fi
  umount -l "$1"
fi
umount ${BELOW}; rmdir ${BELOW}
echo changed`;

const BACK_MS = 60_000;

const options = z.strictObject({
  part: z.enum(["daemon", "ovsdb-server", "nb", "sb"]),
  /** `one` (by the seed), or the name of a node. */
  on: z.string().default("one"),
});

/** Runs one of these scripts in the container of a part on a node while its servers are stopped; then they restart, if it has changed something. */
async function script(
  target: Target,
  text: string,
  part: keyof typeof DISKS,
  node: string,
  signal?: AbortSignal,
): Promise<void> {
  const on = async (name: PartName): Promise<readonly ProcessHandle[]> =>
    (await target.processes({ name })).filter((one) => one.node === node);
  const [at] = await on(part);
  if (at === undefined) throw new StabilityError("fault", `no ${part} runs on ${node}`);
  const { folder, servers } = DISKS[part];
  const open = (await Promise.all(servers.map(on))).flat();
  let changed = false;
  let sent: readonly PromiseSettledResult<boolean>[] = [];
  try {
    for (const server of open) await target.signal(server, "SIGSTOP");
    changed = (await target.beside(at, ["sh", "-c", text, "sh", folder])).trim() === "changed";
  } finally {
    // A process that cannot be signalled must not keep the others stopped.
    sent = await Promise.allSettled(open.map((server) => target.signal(server, changed ? "SIGKILL" : "SIGCONT")));
  }
  for (const each of sent) if (each.status === "rejected") throw each.reason;
  if (changed) await Promise.all(open.map((server) => target.back(server, BACK_MS, signal)));
}

/** Restores the disk of a part. Idempotent. */
export async function emptyDisk(target: Target, part: string, node: string, signal?: AbortSignal): Promise<void> {
  if (!isDisk(part)) throw new StabilityError("cleanup", `${part} has no disk that can be filled`);
  await script(target, END_FULL_DISK, part, node, signal);
}

function isDisk(part: string): part is keyof typeof DISKS {
  return Object.hasOwn(DISKS, part);
}

/** The file system to which a part writes is small and full, until the fault ends. Servers of databases start again when it begins and when it ends. */
export const FULL_DISK = plugin({
  name: "full_disk",
  summary: "the disk of a part is full: part (daemon, ovsdb-server, nb, sb), on (one, or a node)",
  options,
  bind: ({ part, on }): ClusterFault => ({
    needs: [`signal:${part}`],
    shown: `fill the disk of ${part}`,
    lasts: true,
    async inject(stage) {
      const { target, signal } = stage;
      const node = await nodeOf(stage, part, on);
      const done = stage.record({ by: "part", kind: "empty-disk", part, node });
      await script(target, BEGIN_FULL_DISK, part, node, signal);
      return {
        hit: `${part} on ${node}`,
        async end() {
          await emptyDisk(target, part, node, signal);
          done();
        },
      };
    },
  }),
});

async function nodeOf({ target, random }: Stage, part: PartName, on: string): Promise<string> {
  const all = (await target.processes({ name: part })).filter(({ node }) => on === "one" || node === on);
  const found = all[Math.floor(random() * all.length)];
  if (found === undefined) throw new StabilityError("fault", `no ${part} runs${on === "one" ? "" : ` on ${on}`}`);
  return found.node;
}
