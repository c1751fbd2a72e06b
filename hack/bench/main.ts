// SPDX-License-Identifier: Apache-2.0

import { mkdirSync, writeFileSync } from "node:fs";
import { Command, Option } from "commander";
import { ROOT } from "../build/npm.ts";
import { baseCommit, withWorktree } from "./base.ts";

/** Where results are left, in the checkout; ignored by git, and not the lab's, so that they outlive it. */
const OUT = "dist/bench";

const BESIDE = "another checkout, built by its own scripts and measured in turns with this one";

/** What another build is asked for by, as commander reads it: `--base` alone is `true`. */
interface Other {
  readonly beside?: string | undefined;
  readonly base?: string | true | undefined;
}

function baseOption(): Option {
  const what =
    "like --beside, with a checkout of that commit made for it; without a commit, of where this branch left the newest release";
  return new Option("--base [commit]", what).conflicts("beside");
}

/** Runs a bench with the checkout that it is to have beside this one, if any. */
async function withOther<T>({ beside, base }: Other, bench: (beside: { beside?: string }) => Promise<T>): Promise<T> {
  if (base === undefined) return await bench(beside === undefined ? {} : { beside });
  const commit = await baseCommit(ROOT, base === true ? undefined : base);
  console.error(`compared with ${commit}`);
  return await withWorktree(ROOT, commit, (path) => bench({ beside: path }));
}

const EXAMPLES = `
A figure means something only beside another one of the same run: machines are noisy. So benches compare with another build, by turns, never with a stored time.

Examples:
  npm run bench -- ipam                                  no root, no lab
  npm run lab -- up && npm run bench -- controller       this build alone
  npm run bench -- controller --base                     and the newest release (or the commit in hack/bench/base.txt)
  npm run bench -- subnets --base main~20 --turns 4      and any commit
  npm run bench -- subnets --beside ../other-checkout    and a checkout that is there
`;

const program = new Command("bench")
  .description("Measures Weft, each time beside what it is to be compared with.")
  .addHelpText("after", EXAMPLES);

program
  .command("cni")
  .description(
    "a pod's way to its network: create → Ready and ADD, beside the bridge plugin on the same lab. Needs root; 5–10 minutes.",
  )
  .option("--singles <n>", "single pods, on alternating nodes", Number, 10)
  .option("--burst <n>", "pods at once", Number, 40)
  .option("--full <n>", "pods while memory is looked at", Number, 100)
  .option("--json", "print the figures as JSON", false)
  .action(async ({ json, ...options }: { json: boolean; singles: number; burst: number; full: number }) => {
    const [{ benchCni }, { formatReport, htmlReport }] = await Promise.all([import("./cni.ts"), import("./report.ts")]);
    const bench = await benchCni(options);
    mkdirSync(OUT, { recursive: true });
    writeFileSync(`${OUT}/cni.json`, `${JSON.stringify(bench, null, 2)}\n`);
    writeFileSync(`${OUT}/cni.html`, htmlReport(bench));
    process.stdout.write(json ? `${JSON.stringify(bench, null, 2)}\n` : formatReport(bench));
    console.error(`\nwritten: ${OUT}/cni.json and ${OUT}/cni.html`);
  });

program
  .command("controller")
  .description(
    "the controller with kubelets paused: pods/s beside the same writes by a bare client, CPU, memory, SIGKILL with a standby, cold starts; with --beside also those of another checkout, in turns. Needs root; 5–10 minutes with 1,000 pods, 20 with 10,000 and another checkout.",
  )
  .option("--pods <n>", "pods in all", Number, 1_000)
  .option("--turns <n>", "how often floor and controller take turns", Number, 4)
  .option("--takeovers <n>", "how often the leader is killed", Number, 5)
  .option("--beside <checkout>", BESIDE)
  .addOption(baseOption())
  .option("--profiles <folder>", "write CPU profiles of the controllers there")
  .option("--node-options <flags>", "flags of Node.js for the controllers, besides the image's own")
  .option("--json", "print the figures as JSON", false)
  .action(
    async ({
      json,
      beside,
      base,
      ...options
    }: Other & {
      json: boolean;
      pods: number;
      turns: number;
      takeovers: number;
      profiles?: string;
      nodeOptions?: string;
    }) => {
      const [{ benchController }, { formatController, controllerPage }] = await Promise.all([
        import("./controller.ts"),
        import("./controller-report.ts"),
      ]);
      const bench = await withOther({ beside, base }, (other) => benchController({ ...options, ...other }));
      mkdirSync(OUT, { recursive: true });
      writeFileSync(`${OUT}/controller-${bench.pods}.json`, `${JSON.stringify(bench, null, 2)}\n`);
      writeFileSync(`${OUT}/controller-${bench.pods}.html`, controllerPage(bench));
      process.stdout.write(json ? `${JSON.stringify(bench, null, 2)}\n` : formatController(bench));
      console.error(`\nwritten: ${OUT}/controller-${bench.pods}.json and .html`);
    },
  );

program
  .command("subnets")
  .description(
    "create → Ready of new Subnets, Vpcs, Vips, IPPools and SecurityGroups, one by one, and of 100 Subnets; with --beside also under another checkout's controller. Needs root; 3–5 minutes.",
  )
  .option("--turns <n>", "how often the builds take turns", Number, 2)
  .option("--beside <checkout>", BESIDE)
  .addOption(baseOption())
  .option("--profiles <folder>", "write CPU profiles of the controllers there")
  .option("--json", "print the figures as JSON", false)
  .action(async ({ json, beside, base, ...options }: Other & { json: boolean; turns: number; profiles?: string }) => {
    const [{ benchSubnets }, { formatSubnets }] = await Promise.all([
      import("./subnets.ts"),
      import("./subnets-report.ts"),
    ]);
    const bench = await withOther({ beside, base }, (other) => benchSubnets({ ...options, ...other }));
    mkdirSync(OUT, { recursive: true });
    writeFileSync(`${OUT}/subnets.json`, `${JSON.stringify(bench, null, 2)}\n`);
    process.stdout.write(json ? `${JSON.stringify(bench, null, 2)}\n` : formatSubnets(bench));
    console.error(`\nwritten: ${OUT}/subnets.json`);
  });

program
  .command("policy")
  .description(
    "policies, from the change to the commit in a real northbound database: one, a hundred, a label, 10,000 × 10,000. Needs no root; about a minute.",
  )
  .option("--pods <n>", "pods, for all but the last part", Number, 1_000)
  .option(
    "--lab <rounds>",
    "besides, on the lab: from the request to the first packet blocked and allowed (needs root)",
    Number,
  )
  .option("--json", "print the figures as JSON", false)
  .action(async ({ json, pods, lab }: { json: boolean; pods: number; lab?: number }) => {
    const [{ benchPolicy }, { formatPolicy, policyPage }] = await Promise.all([
      import("./policy.ts"),
      import("./policy-report.ts"),
    ]);
    const packets = lab === undefined ? {} : { lab: await (await import("./policy-lab.ts")).benchPolicyLab(lab) };
    const bench = { ...(await benchPolicy(pods, (text) => console.error(text))), ...packets };
    mkdirSync(OUT, { recursive: true });
    writeFileSync(`${OUT}/policy.json`, `${JSON.stringify(bench, null, 2)}\n`);
    writeFileSync(`${OUT}/policy.html`, policyPage(bench));
    process.stdout.write(json ? `${JSON.stringify(bench, null, 2)}\n` : formatPolicy(bench));
    console.error(`\nwritten: ${OUT}/policy.json and ${OUT}/policy.html`);
  });

program
  .command("ipam")
  .description("address allocation by itself: time, memory, start-up. Needs no root.")
  .option("--json", "print the figures as JSON", false)
  .action(async ({ json }: { json: boolean }) => {
    const { benchIpam, formatIpamBench } = await import("./ipam.ts");
    const figures = await benchIpam();
    process.stdout.write(json ? `${JSON.stringify(figures, null, 2)}\n` : formatIpamBench(figures));
  });

program.parseAsync().then(
  () => process.exit(),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
