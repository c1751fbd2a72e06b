// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { StabilityError } from "../errors.ts";
import { plugin } from "../plugin.ts";
import type { ClusterFault } from "./fault.ts";

const options = z.strictObject({ part: z.enum(["nb", "sb"]).default("nb") });

const MEMBER = "/opt/weft/bin/central-member";

/**
 * A backup is taken when the fault begins, and restored over the database when it ends: what was written meanwhile is lost. The northbound one as docs/central.md
 * says; the southbound one, of which northd writes all that nodes do not, with OVSDB's own tool.
 */
export const OLD_BACKUP = plugin({
  name: "old_backup",
  summary: "a database is restored from a backup that was taken when the fault began: part (nb, sb)",
  options,
  bind: ({ part }): ClusterFault => ({
    needs: [`signal:${part}`],
    shown: `restore an old backup of ${part}`,
    lasts: true,
    async inject({ target }) {
      const [server] = await target.processes({ name: part, role: "leader" });
      if (server === undefined) throw new StabilityError("fault", `no ${part} runs`);
      const beside = (script: string): Promise<string> => target.beside(server, ["sh", "-c", script]);
      const hit = `${part} on ${server.node}`;
      if (part === "sb") {
        const socket = "unix:/run/ovn/ovnsb_db.sock";
        const file = "/run/ovn/weft-stability-sb.backup";
        await beside(`ovsdb-client backup ${socket} >${file}`);
        const end = async (): Promise<void> =>
          void (await beside(`ovsdb-client --force restore ${socket} <${file} && rm ${file}`));
        return { hit, end };
      }
      const backup = (await beside(`${MEMBER} backup && ${MEMBER} backups | tail -n 1`)).trim();
      return { hit, end: async () => void (await beside(`${MEMBER} restore ${backup}`)) };
    },
  }),
});
