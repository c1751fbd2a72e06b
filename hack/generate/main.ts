import { program } from "commander";

/** `npm run generate`: writes the generated files anew, or with `--check` says which are stale. */
program.name("generate").description("Writes the generated sources.");

program
  .command("ovsdb")
  .description(
    "row types and schema descriptors in src/ovsdb/generated from the .ovsschema files of OVN and Open vSwitch",
  )
  .option("--check", "write nothing; exit with 1 if a file is stale", false)
  .option("--schema-dir <folder>", "where ovn/*.ovsschema and openvswitch/vswitch.ovsschema are")
  .action(async (options: { check: boolean; schemaDir?: string }) => {
    const { generateOvsdb } = await import("./ovsdb.ts");
    const report = await generateOvsdb(options);
    if (report.skipped !== undefined) console.log(`not checked: ${report.skipped}`);
    finish(report.stale, options.check);
  });

program
  .command("crds")
  .description("types in src/api/generated from crds/")
  .option("--check", "write nothing; exit with 1 if a file is stale", false)
  .action(async (options: { check: boolean }) => {
    const { generateCrds } = await import("./crds.ts");
    finish(await generateCrds(options), options.check);
  });

program
  .command("admission")
  .description("the chart's admission policies from src/facts/annotation-rules.ts")
  .option("--check", "write nothing; exit with 1 if a file is stale", false)
  .action(async (options: { check: boolean }) => {
    const { generateAdmission } = await import("./admission.ts");
    finish(await generateAdmission(options), options.check);
  });

program
  .command("access")
  .description("the chart's ClusterRole of the controller from src/kinds")
  .option("--check", "write nothing; exit with 1 if a file is stale", false)
  .action(async (options: { check: boolean }) => {
    const { generateAccess } = await import("./access.ts");
    finish(await generateAccess(options), options.check);
  });

function finish(stale: readonly string[], check: boolean): void {
  for (const file of stale) console.log(check ? `${file} is stale: run \`npm run generate\`` : `wrote ${file}`);
  if (check && stale.length > 0) process.exitCode = 1;
}

await program.parseAsync();
