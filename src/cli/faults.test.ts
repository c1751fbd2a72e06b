// SPDX-License-Identifier: Apache-2.0

import { Command } from "commander";
import t from "tap";
import type { KubeConnection } from "../kube/connect.ts";
import type { ServeOptions } from "../kube/testing/fake-http.ts";
import { addCentralCommands } from "./central/commands.ts";
import { addDiagnoseCommand } from "./diagnose/verb.ts";
import type { ExplainReport } from "./explain.ts";
import { failureText } from "./failure-text.ts";
import { addFlowsCommand } from "./flows/command.ts";
import { serveCluster } from "./testing/served-cluster.ts";
import { addToolCommands, addWatchCommands } from "./tools/commands.ts";
import { addTraceCommand } from "./trace/verb.ts";
import { addUiCommand } from "./ui/command.ts";

/** Runs a verb of weftctl over a connection, in this process. Resolves with all that it says: its answer and warnings, or its error. */
async function weftctl(connection: KubeConnection, args: readonly string[]): Promise<string> {
  let printed: ExplainReport | undefined;
  const program = new Command("weftctl").exitOverride();
  const report = async (_: object, action: (to: KubeConnection) => Promise<ExplainReport>): Promise<void> => {
    printed = await action(connection);
  };
  const connected = <T>(_: object, action: (to: KubeConnection) => Promise<T>): Promise<T> => action(connection);
  addToolCommands(program, connected);
  addWatchCommands(program, connected, report);
  addTraceCommand(program, report);
  addDiagnoseCommand(program, report);
  addFlowsCommand(program, report);
  addCentralCommands(program, report);
  addUiCommand(program, connected);
  try {
    await program.parseAsync(args, { from: "user" });
    return [printed?.text, ...(printed?.warnings ?? [])].join("\n");
  } catch (error) {
    return failureText(error);
  }
}

/** Each verb that runs a command in a pod, forwards a port or reads a log. */
const VERBS: Readonly<Record<string, readonly string[]>> = {
  nbctl: ["nbctl", "show"],
  sbctl: ["sbctl", "show"],
  vsctl: ["vsctl", "weft-2", "show"],
  ofctl: ["ofctl", "weft-2", "dump-flows", "br-int"],
  dpctl: ["dpctl", "weft-2", "show"],
  appctl: ["appctl", "weft-2", "version"],
  tcpdump: ["tcpdump", "web"],
  log: ["log", "daemon"],
  top: ["top", "--interval", "1"],
  flows: ["flows"],
  trace: ["trace", "web", "198.51.100.1", "udp", "53"],
  diagnose: ["diagnose"],
  "central status": ["central", "status"],
  "central backup": ["central", "backup"],
  ui: ["ui"],
};

/** The right that each needs beyond reading objects. */
const RIGHTS: Readonly<Record<string, string>> = {
  log: "verb get on pods/log",
  ui: "verb create on serviceaccounts/token",
};

/** Answers requests for commands in pods, ports, logs and tokens, each by the last word of its path. */
function refusing(answer: (subresource: string) => { readonly status: number; readonly body: object }): ServeOptions {
  const of = (url = ""): string => /\/(exec|portforward|log|token)(\?|$)/.exec(url)?.[1] ?? "";
  return {
    streams: { refuse: ({ url }) => answer(of(url)) },
    answer({ url }, response) {
      if (of(url) === "") return false;
      const { status, body } = answer(of(url));
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      return true;
    },
  };
}

const FORBIDDEN = refusing((subresource) => {
  const [verb, resource] = subresource === "token" ? ["create", "serviceaccounts"] : ["get", "pods"];
  const message = `"x" is forbidden: User "jane" cannot ${verb} resource "${resource}/${subresource}" in API group "" in the namespace "kube-system"`;
  return { status: 403, body: { kind: "Status", reason: "Forbidden", code: 403, message } };
});

const GONE = refusing(() => ({
  status: 404,
  body: { kind: "Status", reason: "NotFound", code: 404, message: 'pods "x" not found' },
}));

const token = { kind: "TokenRequest", status: { token: "t" } };
const WITH_TOKEN: NonNullable<ServeOptions["answer"]> = ({ url = "" }, response) => {
  if (!url.endsWith("/token")) return false;
  response.writeHead(201).end(JSON.stringify(token));
  return true;
};

for (const [verb, args] of Object.entries(VERBS)) {
  t.test(`${verb}: a missing right is named, with its namespace`, async (t) => {
    const { connection } = await serveCluster(t, FORBIDDEN);
    const right = RIGHTS[verb] ?? "verb get on pods/exec";
    t.match(await weftctl(connection, args), `lacks the ${right} in namespace kube-system`);
  });

  t.test(`${verb}: an account that may read nothing is told so`, async (t) => {
    const message = '"x" is forbidden: User "jane" cannot list resource "pods" in API group "" at the cluster scope';
    const { connection } = await serveCluster(t, {
      answer(request, response) {
        if (WITH_TOKEN(request, response)) return true;
        const body = { kind: "Status", reason: "Forbidden", code: 403, message };
        response.writeHead(403, { "content-type": "application/json" }).end(JSON.stringify(body));
        return true;
      },
    });
    t.match(await weftctl(connection, args), /lacks the verb list on pods of the whole cluster|could not be checked/);
  });

  t.test(`${verb}: a pod that is gone meanwhile, and a container that does not run, are reported`, async (t) => {
    const gone = await serveCluster(t, GONE);
    t.match(await weftctl(gone.connection, args), /"x" not found/);
    if (verb === "log" || verb === "ui") return;
    const { connection } = await serveCluster(t, { streams: { exec: (running) => running.fail("no such container") } });
    t.match(await weftctl(connection, args), "no such container");
  });

  t.test(`${verb}: a connection that breaks is reported`, async (t) => {
    const { connection } = await serveCluster(t, {
      streams: { exec: (running) => running.breakOff(), forward: () => new Error("nothing listens") },
      answer(request, response) {
        if (WITH_TOKEN(request, response)) return true;
        if (!request.url?.includes("/log?")) return false;
        response.write("half a line");
        response.destroy();
        return true;
      },
    });
    t.match(
      await weftctl(connection, args),
      /connection broke|aborted|nothing listens|hang up|disconnected|ECONNRESET/,
    );
  });

  t.test(`${verb}: a cluster without Weft, and an API server that is not there, are reported`, async (t) => {
    const without = await serveCluster(t, { weft: false, answer: WITH_TOKEN });
    t.match(
      await weftctl(without.connection, args),
      /Weft installed|running\?|no pod|no Service|runs on|leads|not asked/,
    );
    const { connection, server } = await serveCluster(t);
    server.close();
    server.closeAllConnections();
    t.match(await weftctl(connection, args), /ECONNREFUSED/);
  });
}

t.test("what does not exist is named", async (t) => {
  const { cluster, connection } = await serveCluster(t);
  await cluster.pod("other/api");
  for (const [args, answer] of [
    [["tcpdump", "gone"], /pods? .*default\/gone.* not found|gone/],
    [["tcpdump", "api"], /default\/api/],
    [["trace", "gone", "10.16.0.9"], /gone/],
    [["trace", "web", "10.16.250.250", "--no-nodes"], /10\.16\.250\.250/],
    [["trace", "10.16.250.250", "default/web", "--no-nodes"], /10\.16\.250\.250/],
    [["diagnose", "pod", "gone"], "there is no pod default/gone"],
    [["diagnose", "node", "weft-9"], "there is no node weft-9"],
    [["vsctl", "weft-9", "show"], "no pod of Open vSwitch runs on node weft-9; it runs on weft-2"],
    [["log", "daemon", "weft-9"], "no pod with app=kube-ovn-cni runs on node weft-9"],
    [["central", "rejoin", "weft-9"], "no pod of ovn-central is on weft-9"],
    [["ui", "--account", "viewer"], "NAMESPACE/NAME"],
  ] as const)
    t.match(await weftctl(connection, args), answer, args.join(" "));
});
