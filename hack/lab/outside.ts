// SPDX-License-Identifier: Apache-2.0

import { join } from "node:path";
import { run } from "../host/run.ts";
import { type LabPart, partId } from "./part.ts";
import type { LabPaths } from "./paths.ts";
import { findSpace, inSpace } from "./space.ts";
import { EXTERNAL, EXTERNAL_PORT, OUTSIDE } from "./topology.ts";

/** The HTTP echo server outside the cluster. */
export function echoPart(paths: LabPaths): LabPart {
  return {
    id: partId(OUTSIDE, "echo"),
    space: OUTSIDE,
    name: "echo",
    command: [process.execPath, join(import.meta.dirname, "echo.ts"), `${EXTERNAL_PORT}`, EXTERNAL.v4, EXTERNAL.v6],
    ready: async () => {
      const space = findSpace(paths, OUTSIDE);
      if (space === undefined) return false;
      const [program = "", ...args] = inSpace(space, ["ss", "-Hltn", "sport", "=", `:${EXTERNAL_PORT}`]);
      const { stdout } = await run(program, args);
      return stdout.includes(EXTERNAL.v4) && stdout.includes(EXTERNAL.v6);
    },
  };
}
