// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Command } from "commander";
import { INSTALL_NAMESPACE } from "../../api/names.ts";
import { captureKubectl, type KubectlOptions } from "../tools/kubectl.ts";
import { ToolError } from "../tools/targets.ts";
import { LocalPage } from "./local-page.ts";

interface UiOptions extends KubectlOptions {
  readonly weftNamespace: string;
  readonly port: number;
  readonly account: string;
  readonly tokenFile?: string;
}

/** How long kubectl has to forward a port, in ms. */
const FORWARD_MS = 20_000;
/** How long the token of the account is valid: as long as a login. */
const TOKEN_HOURS = 8;

/** Adds `ui`. */
export function addUiCommand(program: Command): void {
  program
    .command("ui")
    .description("show the web page of the cluster's network at a local address, until Ctrl-C")
    .option("--port <port>", "local port; 0: any that is free", portNumber, 0)
    .option("--account <namespace/name>", "the ServiceAccount whose view is shown", "kube-system/weft-ui")
    .option("--token-file <file>", "a file with a token to log in with, in place of an account's; - for standard input")
    .option("--weft-namespace <namespace>", "namespace of Weft", INSTALL_NAMESPACE)
    .addHelpText(
      "after",
      `
Examples:
  weftctl ui
  weftctl ui --port 8080
  weftctl ui --account shop/viewer
  kubectl create token viewer -n shop | weftctl ui --token-file -

It needs the chart's value page.enabled, and kubectl on the PATH with the rights to create pods/portforward, get services, and get and list pods in
Weft's namespace, and to create the account's serviceaccounts/token. It prints a URL that is valid for this command only: the page's login stays in
this process. Without these rights, ask for the address of an Ingress (docs/page.md).

Exit codes: 0 ended by Ctrl-C, 2 the command failed, or the connection to the page ended.`,
    )
    .action(async (_, command: Command) => {
      const options = command.optsWithGlobals<UiOptions>();
      const token = await tokenFor(options);
      const forward = await forwardPort(options);
      try {
        const page = await LocalPage.login({ port: forward.port }, token);
        const url = await page.listen(options.port);
        process.stdout.write(`${url}\n`);
        const interrupted = new Promise<"interrupted">((resolve) => {
          for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve("interrupted"));
        });
        const ended = await Promise.race([interrupted, forward.ended]);
        page.close();
        if (ended !== "interrupted") throw new ToolError(`the connection to the page has ended: ${ended}`);
      } finally {
        forward.stop();
      }
    });
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new ToolError(`"${text}" is not a port: 0 to 65535`);
  return port;
}

function globalArguments({ kubeconfig, context }: KubectlOptions): readonly string[] {
  return [
    ...(kubeconfig === undefined ? [] : [`--kubeconfig=${kubeconfig}`]),
    ...(context === undefined ? [] : [`--context=${context}`]),
  ];
}

async function tokenFor(options: UiOptions): Promise<string> {
  const { tokenFile, account } = options;
  if (tokenFile !== undefined) return (await readFile(tokenFile === "-" ? "/dev/stdin" : tokenFile, "utf8")).trim();
  const [namespace = "", name = "", ...more] = account.split("/");
  if (namespace === "" || name === "" || more.length > 0)
    throw new ToolError(`--account is to be NAMESPACE/NAME, not ${JSON.stringify(account)}`);
  const args = ["create", "token", name, "-n", namespace, `--duration=${TOKEN_HOURS}h`];
  return (await captureKubectl([...globalArguments(options), ...args])).trim();
}

interface Forward {
  readonly port: number;
  /** Resolves with the reason when kubectl has ended. */
  readonly ended: Promise<string>;
  stop(): void;
}

/** Forwards a local port to the page, by kubectl. Rejects with a `ToolError`. */
function forwardPort(options: UiOptions): Promise<Forward> {
  const { promise, resolve, reject } = Promise.withResolvers<Forward>();
  const args = ["-n", options.weftNamespace, "port-forward", "service/weft-ui", ":443", "--address=127.0.0.1"];
  const child = spawn("kubectl", [...globalArguments(options), ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let last = "";
  const ended = Promise.withResolvers<string>();
  const late = setTimeout(() => child.kill(), FORWARD_MS);
  createInterface({ input: child.stderr }).on("line", (line) => {
    last = line;
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    const port = /^Forwarding from 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
    if (port === undefined) return;
    clearTimeout(late);
    resolve({ port: Number(port), ended: ended.promise, stop: () => void child.kill() });
  });
  child.once("error", (cause) => {
    clearTimeout(late);
    reject(new ToolError(`kubectl: ${cause.message}; weftctl ui forwards a port through it`, { cause }));
  });
  child.once("close", () => {
    clearTimeout(late);
    const why = last === "" ? "kubectl port-forward has ended" : last;
    ended.resolve(why);
    const hint = /not found/.test(why) ? `; set the chart's value page.enabled to true` : "";
    reject(new ToolError(`${why}${hint}`));
  });
  return promise;
}
