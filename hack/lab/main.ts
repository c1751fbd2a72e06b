import { Command, Option } from "commander";
import { createProgress, seconds } from "../machine/progress.ts";
import { down } from "./down.ts";
import { labPaths } from "./paths.ts";
import type { SettingsChoice } from "./settings.ts";
import { up } from "./up.ts";

const program = new Command("lab");
const progress = createProgress();
const paths = labPaths();

program
  .command("up")
  .option("--nodes <n>", "nodes", Number)
  .addOption(new Option("--cni <cni>").choices(["weft", "bridge", "none"]))
  .addOption(new Option("--ip-family <f>").choices(["ipv4", "ipv6", "dual"]))
  .action(async (options: SettingsChoice) => {
    const since = Date.now();
    await up(paths, options, progress);
    progress.note(`up in ${seconds(Date.now() - since)}`);
  });
program.command("down").action(() => down(paths, progress));
await program.parseAsync(["node", "lab", ...process.argv.slice(2).filter((a, i) => !(i === 0 && a === "--"))]);
