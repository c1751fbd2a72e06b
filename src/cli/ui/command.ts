// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { INSTALL_NAMESPACE } from "../../api/names.ts";
import type { KubeConnection } from "../../kube/connect.ts";
import type { Connected } from "../tools/commands.ts";
import { ToolError } from "../tools/targets.ts";
import { forwardPort } from "./forward.ts";
import { LocalPage } from "./local-page.ts";

interface UiOptions {
  readonly weftNamespace: string;
  readonly port: number;
  readonly account: string;
  readonly tokenFile?: string;
}

/** How long the token of the account is valid: as long as a login. */
const TOKEN_HOURS = 8;

/** Adds `ui`. */
export function addUiCommand(program: Command, connected: Connected): void {
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

It needs the chart's value page.enabled, and an account that may, in Weft's namespace, get Services, list pods, and get (from Kubernetes 1.35 on also create)
pods/portforward, and create serviceaccounts/token of the account that is shown. It prints a URL that is valid for this command only: the page's login stays
in this process. Without these rights, ask for the address of an Ingress (docs/page.md).

Exit codes: 0 ended by Ctrl-C, 2 the command failed.`,
    )
    .action((_, command: Command) => {
      const options = command.optsWithGlobals<UiOptions>();
      return connected(options, async (connection) => {
        const token = await tokenFor(connection, options);
        const forward = await forwardPort(connection, options.weftNamespace);
        try {
          const page = await LocalPage.login({ port: forward.port }, token).catch((error: unknown) => {
            throw forward.failure() ?? error;
          });
          const url = await page.listen(options.port);
          process.stdout.write(`${url}\n`);
          await new Promise<void>((resolve) => {
            for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, resolve);
          });
          page.close();
        } finally {
          forward.stop();
        }
      });
    });
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new ToolError(`"${text}" is not a port: 0 to 65535`);
  return port;
}

async function tokenFor(connection: KubeConnection, { tokenFile, account }: UiOptions): Promise<string> {
  if (tokenFile !== undefined) return (await readFile(tokenFile === "-" ? "/dev/stdin" : tokenFile, "utf8")).trim();
  const [namespace = "", name = "", ...more] = account.split("/");
  if (namespace === "" || name === "" || more.length > 0)
    throw new ToolError(`--account is to be NAMESPACE/NAME, not ${JSON.stringify(account)}`);
  return await connection.token({ namespace, name }, TOKEN_HOURS * 3_600);
}
