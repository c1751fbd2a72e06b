// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { run } from "../../../hack/host/run.ts";
import { StabilityError, textOf } from "../errors.ts";
import { plugin } from "../plugin.ts";
import type { Verdict } from "../sla/sla.ts";
import { type CaseResult, parseJunit, parseTap } from "./formats.ts";
import type { Verifier } from "./verifier.ts";

const options = z.strictObject({
  name: z.string().min(1),
  command: z.array(z.string().min(1)).min(1),
  format: z.enum(["tap", "junit"]),
  timeout: z.number().positive().max(3_600).default(300),
});

/** Runs a command that prints TAP or JUnit XML; each of its cases is a verdict. A command that prints neither verifies nothing, which is an error. */
export const EXTERNAL_VERIFIER = plugin({
  name: "external",
  summary: "any command that prints TAP or JUnit XML",
  options,
  bind: ({ name, command, format, timeout }): Verifier => ({
    needs: [],
    when: "loaded",
    async begin() {
      return async (stage) => {
        const [program = "", ...args] = command;
        let printed: string;
        let code: number;
        try {
          const env = { STABILITY_NAMESPACE: stage.made.namespace ?? "", STABILITY_TARGET: stage.target.name };
          const result = await run(program, args, { allowFailure: true, timeoutMs: timeout * 1000, env });
          ({ stdout: printed, code } = result);
        } catch (error) {
          throw new StabilityError("verify", `${name}: ${textOf(error)}`, { cause: error });
        }
        const cases = format === "tap" ? parseTap(printed) : parseJunit(printed);
        if (cases.length === 0)
          throw new StabilityError("verify", `${name}: ${command.join(" ")} printed no ${format} (exit code ${code})`);
        return cases
          .map(verdict)
          .concat(
            code === 0 || cases.some(({ ok }) => !ok)
              ? []
              : [{ name, outcome: "failed", text: `exit code ${code} although no case failed` }],
          );
      };

      function verdict({ title, ok, detail }: CaseResult): Verdict {
        return { name: `${name}: ${title}`, outcome: ok ? "passed" : "failed", text: detail };
      }
    },
  }),
});
