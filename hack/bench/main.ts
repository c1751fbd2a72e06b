// SPDX-License-Identifier: Apache-2.0

import { mkdirSync, writeFileSync } from "node:fs";
import { Command, Option } from "commander";
import { ROOT } from "../build/npm.ts";
import { baseCommit, withWorktree } from "./base-commit.ts";
import type { TopologySize } from "./topology-world.ts";

/** Where results are left, in the checkout; ignored by git, and not the lab's, so that they outlive it. */
const OUT = "dist/bench";

const BESIDE = "compare with that checkout, built by its own scripts and measured alternately with this one";

/** What another build is asked for by, as commander reads it: `--base` alone is `true`. */
interface Other {
  readonly beside?: string | undefined;
  readonly base?: string | true | undefined;
}

function baseOption(): Option {
  const what =
    "like --beside, with a temporary checkout of that commit (default: where this branch diverged from the newest release)";
  return new Option("--base [commit]", what).conflicts("beside");
}

/** Runs a bench with the checkout that it is to have beside this one, if any. */
async function withOther<T>({ beside, base }: Other, bench: (beside: { beside?: string }) => Promise<T>): Promise<T> {
  if (base === undefined) return await bench(beside === undefined ? {} : { beside });
  const commit = await baseCommit(ROOT, base === true ? undefined : base);
  console.error(`compared with ${commit}`);
  return await withWorktree(ROOT, commit, (path) => bench({ beside: path }));
}

/** Leaves the figures as a file, and prints them: as JSON, or as `text`. */
function publish(name: string, bench: object, json: boolean, text: string): void {
  const figures = `${JSON.stringify(bench, null, 2)}\n`;
  mkdirSync(OUT, { recursive: true });
  writeFileSync(`${OUT}/${name}.json`, figures);
  process.stdout.write(json ? figures : text);
  console.error(`\nwritten: ${OUT}/${name}.json`);
}

/** The options of `qos`. */
interface QosOptions {
  readonly json: boolean;
  readonly by: string;
  readonly svg?: string;
  readonly seconds: number;
  readonly rates: number[];
}

const EXAMPLES = `
Compare figures of the same run only, because machines are noisy: benches alternate between two builds, and never compare with stored times.

Examples:
  npm run bench -- ipam                                  no root, no lab
  npm run bench -- nat --turns 0                         changes of NAT rules only: no root, no lab
  npm run lab -- up && npm run bench -- controller       only this build
  npm run bench -- controller --base                     this build and the newest release (or the commit in hack/bench/base.txt)
  npm run bench -- subnets --base main~20 --turns 4      this build and any commit
  npm run bench -- subnets --beside ../other-checkout    this build and an existing checkout
`;

const program = new Command("npm run bench --")
  .description("Measures Weft, together with a baseline in the same run.")
  .addHelpText("after", EXAMPLES);

program
  .command("cni")
  .description(
    "pod start: create → Ready, and CNI ADD, compared with the bridge plugin on the same lab. Needs root; 5–10 minutes.",
  )
  .option("--singles <n>", "number of single pods, on alternating nodes", Number, 10)
  .option("--burst <n>", "number of pods created at once", Number, 40)
  .option("--full <n>", "number of pods for the measurement of memory", Number, 100)
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
    "the controller with paused kubelets: pods/s compared with the same writes by a bare client, CPU, memory, failover to a standby after SIGKILL, cold start; with --beside, also of another checkout. Needs root; 5–10 minutes with 1,000 pods, 20 with 10,000 and another checkout.",
  )
  .option("--pods <n>", "total number of pods", Number, 1_000)
  .option("--turns <n>", "number of alternations of baseline and controller", Number, 4)
  .option("--takeovers <n>", "number of times that the leader is killed", Number, 5)
  .option("--beside <checkout>", BESIDE)
  .addOption(baseOption())
  .option("--profiles <folder>", "write CPU profiles of the controllers to this folder")
  .option("--node-options <flags>", "flags of Node.js for the controllers, in addition to those of the image")
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
    "create → Ready of new Subnets, Vpcs, Vips, IPPools and SecurityGroups, one by one, and of 100 Subnets; with --beside, also with another checkout's controller. Needs root; 3–5 minutes.",
  )
  .option("--turns <n>", "number of alternations of the builds", Number, 2)
  .option("--beside <checkout>", BESIDE)
  .addOption(baseOption())
  .option("--profiles <folder>", "write CPU profiles of the controllers to this folder")
  .option("--json", "print the figures as JSON", false)
  .action(async ({ json, beside, base, ...options }: Other & { json: boolean; turns: number; profiles?: string }) => {
    const [{ benchSubnets }, { formatSubnets }] = await Promise.all([
      import("./subnets.ts"),
      import("./subnets-report.ts"),
    ]);
    const bench = await withOther({ beside, base }, (other) => benchSubnets({ ...options, ...other }));
    publish("subnets", bench, json, formatSubnets(bench));
  });

program
  .command("qos")
  .description(
    "limits of pods, asked and got, for TCP and UDP, each direction, one pod and ten, on a node and across; an unlimited pod beside them; changes of a rate. Needs root; 5 to 6 minutes on a running lab.",
  )
  .option("--seconds <n>", "how long a TCP flow is measured; less for datagrams and for ten pods at once", Number, 10)
  .option("--svg <file>", "also leave the picture of asked and got in this file")
  .option("--rates <list>", "Mbit/s, with commas", (text) => text.split(",").map(Number), [1, 10, 100, 500])
  .option(
    "--by <command>",
    'words before each iperf3, such as "nice -n -5"; not real-time priority, with which iperf3 starves a small machine',
    "",
  )
  .option("--json", "print the figures as JSON", false)
  .action(async ({ json, by, svg, ...options }: QosOptions) => {
    const [{ benchQos }, { formatQos, qosPage }, { qosPicture }] = await Promise.all([
      import("./qos.ts"),
      import("./qos-report.ts"),
      import("./qos-chart.ts"),
    ]);
    const bench = await benchQos({ ...options, by: by.split(" ").filter((word) => word !== "") });
    publish("qos", bench, json, formatQos(bench));
    writeFileSync(`${OUT}/qos.html`, qosPage(bench));
    if (svg !== undefined) writeFileSync(svg, qosPicture(bench));
  });

program
  .command("flows")
  .description(
    "what the sampling of flows costs: TCP, datagrams and connections between two pods of which one has a policy, with flows.enabled and without, two turns each. Needs root; 4 to 5 minutes on a running lab.",
  )
  .option("--rounds <n>", "how often each is measured in a turn", Number, 7)
  .option("--json", "print the figures as JSON", false)
  .action(async ({ json, rounds }: { json: boolean; rounds: number }) => {
    const { benchFlows, formatFlowsBench: formatFlows } = await import("./flows.ts");
    const bench = await benchFlows(rounds);
    publish("flows", bench, json, formatFlows(bench));
  });

program
  .command("page")
  .description(
    "the web page in Chromium with 5,000 pods: first paint, each step, size of the script. Needs Chromium, but neither root nor a lab; half a minute, and 15 s for each round.",
  )
  .option("--rounds <n>", "how often the page is opened, and each step is made", Number, 7)
  .option("--json", "print the figures as JSON", false)
  .action(async ({ json, rounds }: { json: boolean; rounds: number }) => {
    const { benchWebPage, formatWebPage } = await import("./web-page.ts");
    const bench = await benchWebPage(rounds, (text) => console.error(text));
    publish("page", bench, json, formatWebPage(bench));
  });

program
  .command("policy")
  .description(
    "policies, from the change to the commit in a real northbound database: one, a hundred, a label, 10,000 × 10,000. Does not need root; about a minute.",
  )
  .option("--pods <n>", "number of pods, in all parts but the last", Number, 1_000)
  .option(
    "--lab <rounds>",
    "also measure on the lab: from the request to the first packet that is blocked and allowed (needs root)",
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
  .command("topology")
  .description(
    "many VPCs, subnets and nodes: rows and how they grow, single changes until committed, a cold start; with a real northbound database and northd. Does not need root, but the image's root file system (npm run lab -- up makes it); about 5 minutes.",
  )
  .option("--vpcs <n>", "number of VPCs beside the default one", Number, 100)
  .option("--subnets <n>", "number of subnets, a third of them in the default VPC", Number, 300)
  .option("--nodes <n>", "number of nodes", Number, 50)
  .option("--pods <n>", "number of pods", Number, 5_000)
  .option("--services <n>", "number of Services with three endpoints each", Number, 1_000)
  .option("--json", "print the figures as JSON", false)
  .action(async ({ json, ...size }: { json: boolean } & TopologySize) => {
    const [{ benchTopology }, { formatTopology }] = await Promise.all([
      import("./topology.ts"),
      import("./topology-report.ts"),
    ]);
    const bench = await benchTopology(size);
    publish("topology", bench, json, `${formatTopology(bench)}\n`);
  });

program
  .command("dataplane")
  .description(
    "packets, throughput, connections and latency of pods, to pods, Services and the world outside, compared with a bridge of the same Open vSwitch, bare OVN, Kube-OVN's rows and the bridge plugin between the same network namespaces. Needs root; about 2 minutes for each turn.",
  )
  .option("--turns <n>", "number of alternations of the paths", Number, 7)
  .option(
    "--only <regex>",
    "only paths with such names, and those that they are compared with",
    (text) => new RegExp(text),
  )
  .option("--udp", "only datagrams of 64 bytes: two seconds for each path and turn", false)
  .option("--json", "print the figures as JSON", false)
  .action(async ({ json, ...options }: { json: boolean; turns: number; only?: RegExp; udp: boolean }) => {
    const [{ benchDataplane }, { formatDataplane }] = await Promise.all([
      import("./dataplane.ts"),
      import("./dataplane-report.ts"),
    ]);
    const bench = await benchDataplane(options);
    publish("dataplane", bench, json, `${formatDataplane(bench)}\n`);
  });

program
  .command("nat")
  .description(
    "NAT of VPCs: new connections per second through each kind, compared with a pod on the network's bridge, and changes of rules until committed in a VPC that has many, with a real northbound database and northd. Needs root; about 3 minutes and half a minute for each turn.",
  )
  .option("--rules <n>", "number of floating IPs, and as many forwarded ports; 0: no rules", Number, 1_000)
  .option("--turns <n>", "number of alternations of the paths; 0: no connections, so that no lab is needed", Number, 7)
  .option("--json", "print the figures as JSON", false)
  .action(async ({ json, ...options }: { json: boolean; rules: number; turns: number }) => {
    const [{ benchNat }, { formatNat }] = await Promise.all([import("./nat.ts"), import("./nat-report.ts")]);
    const bench = await benchNat(options);
    publish("nat", bench, json, `${formatNat(bench)}\n`);
  });

program
  .command("ipam")
  .description("address allocation alone: time, memory, start-up. Does not need root.")
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
