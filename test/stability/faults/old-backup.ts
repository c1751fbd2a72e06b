// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { StabilityError } from "../errors.ts";
import { plugin } from "../plugin.ts";
import type { Fault } from "./fault.ts";

const options = z.strictObject({ part: z.enum(["nb", "sb"]).default("nb") });

/** A backup is taken when the fault begins, and replaces the database when it ends: changes in between are lost. */
export const OLD_BACKUP = plugin({
  name: "old_backup",
  summary: "a database is restored from a backup that was taken when the fault began: part (nb, sb)",
  options,
  bind: ({ part }): Fault => ({
    needs: [`signal:${part}`],
    shown: `restore an old backup of ${part}`,
    lasts: true,
    async inject({ target }) {
      const [server] = await target.processes({ name: part, role: "leader" });
      if (server === undefined) throw new StabilityError("fault", `no ${part} runs`);
      const socket = `unix:/run/ovn/ovn${part}_db.sock`;
      const file = `/run/ovn/weft-stability-${part}.backup`;
      await target.beside(server, ["sh", "-c", `ovsdb-client backup ${socket} >${file}`]);
      return {
        hit: `${part} on ${server.node}`,
        async end() {
          await target.beside(server, ["sh", "-c", `ovsdb-client --force restore ${socket} <${file} && rm ${file}`]);
        },
      };
    },
  }),
});
