// SPDX-License-Identifier: Apache-2.0

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "tap";
import { ROOT } from "../../../hack/build/npm.ts";
import { findCommand } from "../../../hack/host/cache.ts";
import type { World } from "./world.ts";

/** The chart's rules, which Prometheus loads. */
export const RULES: string = join(ROOT, "charts/weft/monitoring/rules.yaml");

/** The role of accounts that may read metrics. */
const READER = "weft-metrics-reader";
const PORT = 19_090;

/** A token of a new account in kube-system, until the end of the test. It may read metrics, or has no rights. */
export async function metricsToken(world: World, t: Test, account: string, mayRead: boolean): Promise<string> {
  const { kubectl } = world.lab;
  await kubectl(["-n", "kube-system", "create", "serviceaccount", account]);
  t.teardown(() => kubectl(["-n", "kube-system", "delete", "serviceaccount", account]));
  if (mayRead) {
    const subject = [`--clusterrole=${READER}`, `--serviceaccount=kube-system:${account}`];
    await kubectl(["create", "clusterrolebinding", account, ...subject]);
    t.teardown(() => kubectl(["delete", "clusterrolebinding", account]));
  }
  return (await kubectl(["-n", "kube-system", "create", "token", account])).stdout.trim();
}

/** A job of Prometheus: its name, the token that it sends, and its targets as `address:port`. */
export interface ScrapeJob {
  readonly name: string;
  readonly token: string | undefined;
  readonly targets: readonly string[];
}

/**
 * Runs Debian's Prometheus on the first node until the end of the test, for ten minutes at most: it scrapes each second, with the chart's rules. Returns a function that
 * resolves with the series of a query; none as long as it does not answer.
 */
export function startPrometheus(
  t: Test,
  world: World,
  jobs: readonly ScrapeJob[],
): (query: string) => Promise<readonly unknown[]> {
  const prometheus = findCommand("prometheus");
  t.ok(prometheus, "Debian's package prometheus is installed");
  const [first = ""] = world.lab.nodes;
  const { exec } = world.lab.node(first);
  const folder = t.testdir({});
  writeFileSync(
    join(folder, "prometheus.yml"),
    JSON.stringify({
      global: { scrape_interval: "1s", evaluation_interval: "1s", external_labels: { cluster: "lab" } },
      rule_files: [RULES],
      scrape_configs: jobs.map(({ name, token, targets }) => ({
        ...{
          job_name: name,
          scheme: "https",
          tls_config: { insecure_skip_verify: true },
          static_configs: [{ targets }],
        },
        ...(token !== undefined && { authorization: { credentials: token } }),
      })),
    }),
  );
  const ended = exec(
    [
      ...["timeout", "600", prometheus ?? "", `--config.file=${join(folder, "prometheus.yml")}`],
      ...[`--storage.tsdb.path=${join(folder, "data")}`, `--web.listen-address=127.0.0.1:${PORT}`],
      ...["--web.enable-lifecycle", "--log.level=warn"],
    ],
    { allowFailure: true, timeoutMs: 610_000 },
  );
  t.teardown(async () => {
    await exec(["curl", "-sS", "-X", "POST", `http://127.0.0.1:${PORT}/-/quit`], { allowFailure: true });
    await ended;
  });
  return async (query) => {
    const url = `http://127.0.0.1:${PORT}/api/v1/query`;
    const { stdout } = await exec(["curl", "-sS", "-G", "--data-urlencode", `query=${query}`, url], {
      allowFailure: true,
    });
    if (stdout === "") return [];
    const { status, data, error } = JSON.parse(stdout) as {
      readonly status: string;
      readonly error?: string;
      readonly data?: { readonly result: readonly unknown[] };
    };
    if (status !== "success") throw new Error(`${query}: ${error}`);
    return data?.result ?? [];
  };
}
