// SPDX-License-Identifier: Apache-2.0

import { Command } from "commander";
import { ROOT } from "../build/npm.ts";
import { HostError, runMain } from "../host/error.ts";

/** `npm run generate`: writes generated files, or with `--check` prints which are stale. */

/** The result of a generator: the files that were (or with `check`, are) stale, and why it could not check, if so. */
interface Report {
  readonly stale: readonly string[];
  readonly skipped?: string;
}

interface Options {
  readonly check: boolean;
  readonly schemaDir?: string | undefined;
}

interface Generator {
  readonly about: string;
  readonly run: (options: Options) => Promise<Report>;
}

const GENERATORS: Readonly<Record<string, Generator>> = {
  ovsdb: {
    about: "row types and schema descriptors in src/ovsdb/generated from the .ovsschema files of OVN and Open vSwitch",
    run: async (options) => (await import("./ovsdb.ts")).generateOvsdb(options),
  },
  crds: {
    about: "types in src/api/generated from crds/",
    run: async (options) => ({ stale: await (await import("./crds.ts")).generateCrds(options) }),
  },
  admission: {
    about: "the chart's admission policies from src/facts/annotation-rules.ts",
    run: async (options) => ({ stale: await (await import("./admission.ts")).generateAdmission(options) }),
  },
  access: {
    about: "the chart's ClusterRole of the controller from src/kinds",
    run: async (options) => ({ stale: await (await import("./access.ts")).generateAccess(options) }),
  },
  dashboards: {
    about: "the chart's Grafana dashboards from hack/monitoring/dashboards.ts",
    run: async ({ check }) => ({
      stale: (await import("../monitoring/dashboards.ts")).generateDashboards(ROOT, check),
    }),
  },
  lock: {
    about: "package-lock.json from package.json",
    run: async (options) => ({ stale: await (await import("./lock.ts")).generateLock(options) }),
  },
  spdx: {
    about: "the SPDX licence line of each source file",
    run: async (options) => ({ stale: await (await import("./spdx.ts")).generateSpdx(options) }),
  },
  notice: {
    about: "NOTICE from the content of the image (hack/image)",
    run: async (options) => ({ stale: await (await import("./notice.ts")).generateNotice(options) }),
  },
};

const program = new Command("npm run generate --")
  .description("Writes generated files: all of them, or those named.")
  .argument("[what...]", `one or more of: ${Object.keys(GENERATORS).join(", ")} (default: all)`)
  .option("--check", "write nothing; exit with 1 if a file is stale", false)
  .option("--schema-dir <folder>", "for ovsdb: folder with ovn/*.ovsschema and openvswitch/vswitch.ovsschema")
  .addHelpText(
    "after",
    `
${Object.entries(GENERATORS)
  .map(([name, { about }]) => `  ${name.padEnd(10)} ${about}`)
  .join("\n")}

Examples:
  npm run generate                  everything
  npm run generate -- crds access   after a change of a CRD
  npm run generate -- --check       what CI runs`,
  );

program.action(async (what: readonly string[], options: Options) => {
  const names = what.length === 0 ? Object.keys(GENERATORS) : what;
  for (const name of names) {
    const generator = GENERATORS[name];
    if (generator === undefined) {
      throw new HostError("unsupported", `${name} must be one of: ${Object.keys(GENERATORS).join(", ")}`);
    }
    const { stale, skipped } = await generator.run(options);
    if (skipped !== undefined) console.log(`${name} not checked: ${skipped}`);
    for (const file of stale) {
      console.log(options.check ? `${file} is stale: run \`npm run generate -- ${name}\`` : `wrote ${file}`);
    }
    if (options.check && stale.length > 0) process.exitCode = 1;
  }
});

await runMain("generate", () => program.parseAsync());
