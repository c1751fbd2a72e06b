// SPDX-License-Identifier: Apache-2.0

import type { Command } from "commander";
import { INSTALL_NAMESPACE } from "../../api/names.ts";
import type { KubeConnection } from "../../kube/connect.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { listEach } from "../../kube/pages.ts";
import { PODS } from "../../kube/resources.ts";
import type { CommonOptions, WithConnection } from "../install/commands.ts";
import { podCommands } from "../tools/pod-commands.ts";
import { CentralError, parseMember } from "./member.ts";
import { formatMembers, type Member, problemsOf } from "./report.ts";

/** The program in the image that reads or changes the state of one member. */
const PROGRAM = "/opt/weft/bin/central-member";
const CONTAINER = "ovn-central";
/** A restoration waits until the controller has repaired what is newer. */
const DEADLINE_MS = 15 * 60_000;

/** Runs a command in a pod of ovn-central and returns what it prints. Rejects with CentralError `command-failed`. */
export type InPod = (pod: string, command: readonly string[]) => Promise<string>;

/** Adds `central status`, `central rejoin`, `central backup` and `central restore`. */
export function addCentralCommands(program: Command, withConnection: WithConnection): void {
  const central = program
    .command("central")
    .description("show and repair the replicas of ovn-central, by commands in their pods");
  const namespaced = (name: string): Command =>
    central.command(name).option("-n, --namespace <namespace>", "namespace of Weft", INSTALL_NAMESPACE);

  namespaced("status")
    .description("show the state of each replica's databases and northd; exit code 1 if there is a problem")
    .action((_, command: Command) => {
      const options = command.optsWithGlobals<CommonOptions>();
      return withConnection(options, async (connection) => {
        const { kube } = connection;
        const members = await readMembers(kube, options.namespace, inPods(connection, options.namespace));
        const problems = problemsOf(members);
        return { data: { members, problems }, text: formatMembers(members, problems), ok: problems.length === 0 };
      });
    });

  namespaced("rejoin")
    .description(
      "make the replica on a node set its databases aside and join the others with an empty disk; refused if the others have no majority without it",
    )
    .argument("<node>", "the replica's node")
    .action((node: string, _, command: Command) => {
      const options = command.optsWithGlobals<CommonOptions>();
      return withConnection(options, async (connection) => {
        const { kube } = connection;
        const pods = await podsOf(kube, options.namespace);
        const pod = podOn(pods, node);
        await inPods(connection, options.namespace)(pod.metadata.name, [PROGRAM, "rejoin"]);
        const text = `The replica on ${node} starts again and joins the others: weftctl central status\n`;
        return { data: { node, pod: pod.metadata.name }, text, ok: true };
      });
    });

  namespaced("backup")
    .description("copy the databases of each replica to weft-backup/ beside them")
    .action((_, command: Command) => {
      const options = command.optsWithGlobals<CommonOptions>();
      return withConnection(options, async (connection) => {
        const { kube } = connection;
        const pods = await podsOf(kube, options.namespace);
        if (pods.length === 0)
          throw new CentralError("no-such-member", `no pod of ovn-central runs in namespace ${options.namespace}`);
        const { nodes, failures } = await backUp(pods, inPods(connection, options.namespace));
        const copied = `Copied on: ${nodes.join(", ") || "no node"}\n`;
        const failed = failures.map(({ node, why }) => `Problem: not on ${node}: ${why}.\n`);
        return {
          data: { nodes, failures },
          text: copied + failed.join(""),
          ok: nodes.length > 0 && failed.length === 0,
        };
      });
    });

  namespaced("restore")
    .description(
      "give the northbound database the rows of a backup, without a lost packet: no northd works until the controller has put right what is newer; without a name, list the backups",
    )
    .argument("<node>", "the node with the backup")
    .argument("[backup]", "its name")
    .addHelpText(
      "after",
      `
Examples:
  weftctl central restore node-1
  weftctl central restore node-1 ovnnb_db-20260301T000000Z.db`,
    )
    .action((node: string, backup: string | undefined, _, command: Command) => {
      const options = command.optsWithGlobals<CommonOptions>();
      return withConnection(options, async (connection) => {
        const { kube } = connection;
        const pods = await podsOf(kube, options.namespace);
        const { name } = podOn(pods, node).metadata;
        const inPod = inPods(connection, options.namespace);
        if (backup === undefined) {
          const list = await inPod(name, [PROGRAM, "backups"]);
          const backups = list.split("\n").filter((line) => line !== "");
          const text =
            list === "" ? `${node} has no backup of the northbound database: weftctl central backup\n` : list;
          return { data: { node, backups }, text, ok: true };
        }
        const names = pods.map(({ metadata }) => metadata.name);
        const rows = (await restore(names, name, backup, inPod)).trim();
        return { data: { node, backup, rows }, text: `Restored: ${rows}\n`, ok: true };
      });
    });
}

/** The pod on a node. Throws CentralError `no-such-member`. */
function podOn(pods: readonly KubeObject[], node: string): KubeObject {
  const pod = pods.find(({ spec }) => nodeOf(spec) === node);
  if (pod !== undefined) return pod;
  const nodes = pods.map(({ spec }) => nodeOf(spec)).join(", ");
  throw new CentralError("no-such-member", `no pod of ovn-central is on ${node}; the nodes with one are: ${nodes}`);
}

/**
 * Has one replica give the northbound database the rows of one of its backups, while no northd works. Rejects with CentralError `command-failed`, in the
 * words of the replica.
 */
export async function restore(pods: readonly string[], on: string, backup: string, inPod: InPod): Promise<string> {
  const others = pods.filter((pod) => pod !== on);
  try {
    // All others first: a standby goes on where the active one pauses.
    await Promise.all(others.map((pod) => inPod(pod, [PROGRAM, "hold"])));
    return await inPod(on, [PROGRAM, "restore", backup]);
  } finally {
    // A northd that was not held is not hurt by it; one that does not answer goes on by itself (central-member).
    await Promise.allSettled(others.map((pod) => inPod(pod, [PROGRAM, "release"])));
  }
}

/** Makes each replica copy its databases. A failure of one does not hide the others. */
export async function backUp(
  pods: readonly { readonly metadata: { readonly name: string }; readonly spec?: unknown }[],
  inPod: InPod,
): Promise<{
  readonly nodes: readonly string[];
  readonly failures: readonly { readonly node: string; readonly why: string }[];
}> {
  const done = await Promise.all(
    pods.map(async ({ metadata, spec }) => {
      const node = nodeOf(spec);
      try {
        await inPod(metadata.name, [PROGRAM, "backup"]);
        return { node };
      } catch (error) {
        if (!(error instanceof CentralError)) throw error;
        return { node, why: error.message };
      }
    }),
  );
  return {
    nodes: done.flatMap(({ node, why }) => (why === undefined ? [node] : [])),
    failures: done.flatMap(({ node, why }) => (why === undefined ? [] : [{ node, why }])),
  };
}

/** Queries all replicas at once. A failed query is in the result too, with the reason. Rejects with KubeError. */
export async function readMembers(kube: Kube, namespace: string, inPod: InPod): Promise<readonly Member[]> {
  return await Promise.all(
    (await podsOf(kube, namespace)).map(async ({ metadata, spec, status }): Promise<Member> => {
      const member = {
        node: nodeOf(spec),
        pod: metadata.name,
        ready: conditionsOf(status).some((each) => each["type"] === "Ready" && each["status"] === "True"),
        addresses: itemsOf(status, "podIPs").map(({ ip }) => String(ip)),
      };
      try {
        return {
          ...member,
          state: parseMember(await inPod(metadata.name, [PROGRAM, "status"])),
          failure: undefined,
        };
      } catch (error) {
        if (!(error instanceof CentralError)) throw error;
        return { ...member, state: undefined, failure: error.message };
      }
    }),
  );
}

function inPods(connection: KubeConnection, namespace: string): InPod {
  const { run } = podCommands(connection, namespace);
  return async (pod, command) => {
    const { code, stdout, stderr } = await run({ pod, container: CONTAINER, command }, DEADLINE_MS).catch(
      (cause: unknown) => {
        throw new CentralError("command-failed", cause instanceof Error ? cause.message : String(cause), { cause });
      },
    );
    if (code === 0) return stdout;
    const last = stderr.trim().split("\n").at(-1) || `exit code ${code}`;
    throw new CentralError("command-failed", last.replace(/^\S+Z weft: /, ""));
  };
}

/** Without pods that are being deleted or have ended: an evicted pod stays until it is collected. */
async function podsOf(kube: Kube, namespace: string): Promise<readonly KubeObject[]> {
  const pods: KubeObject[] = [];
  for await (const pod of listEach(kube, PODS, { namespace, labelSelector: "app=ovn-central" })) pods.push(pod);
  const living = pods.filter(
    ({ metadata, status }) =>
      metadata.deletionTimestamp === undefined && !["Failed", "Succeeded"].includes(String(recordOf(status)["phase"])),
  );
  return living.sort((a, b) => (nodeOf(a.spec) < nodeOf(b.spec) ? -1 : 1));
}

function nodeOf(spec: unknown): string {
  const { nodeName } = recordOf(spec);
  return typeof nodeName === "string" ? nodeName : "(not scheduled)";
}

const conditionsOf = (status: unknown): readonly Readonly<Record<string, unknown>>[] => itemsOf(status, "conditions");

function itemsOf(value: unknown, key: string): readonly Readonly<Record<string, unknown>>[] {
  const list = recordOf(value)[key];
  return Array.isArray(list) ? list.map(recordOf) : [];
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
