// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { addressesOf, idlePod, inNode, remove, run, useNamespace } from "../testing/pods.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const NAME = "weft-logs";
const NODE = "weft-1";
/** A private key, a token of a ServiceAccount (RFC 7519: its header begins with `{"`), a certificate's key in base64. */
const SECRETS = /BEGIN [A-Z ]*PRIVATE KEY|\beyJ[\w-]{10,}\.|LS0tLS1CRUdJTi.{0,20}UFJJVkFURS/;

/** The fields of a line that are looked at; another kind of line has others. */
interface LogLine {
  readonly level?: number;
  readonly msg?: string;
  readonly object?: string;
  readonly ip?: string;
  readonly v4?: string;
  readonly cni?: { readonly request?: string; readonly pod?: string };
}

t.setTimeout(300_000);

t.test(
  "a pod is followed by its key and by the request's id: from the plugin through the daemon to its port; no line has a secret",
  { skip: whyNoLab() },
  async (t) => {
    const world = await openWorld(t);
    const [daemon] = world.own("kube-ovn-cni", NODE);
    if (daemon === undefined) throw new Error(`no daemon on ${NODE}`);
    /** The lines of the last minutes of pods, parsed: each is an object of JSON. */
    const logOf = async (pods: readonly { readonly metadata: { readonly name: string } }[], container: string) => {
      const logs = pods.map(async ({ metadata: { name } }) => {
        const { stdout } = await world.lab.kubectl(["-n", "kube-system", "logs", "--since=5m", "-c", container, name]);
        return stdout.split("\n").filter((line) => line !== "");
      });
      const lines = (await Promise.all(logs)).flat();
      t.same(
        lines.filter((line) => SECRETS.test(line)),
        [],
        `no secret in the logs of ${container}`,
      );
      return lines.map((line): LogLine => JSON.parse(line) as LogLine);
    };
    const daemonLog = () => logOf([daemon], "cni-server");
    const controllerLog = () => logOf(world.own("kube-ovn-controller"), "kube-ovn-controller");
    /** Sets the level of the daemon's log; its port is on the node's loopback address. */
    const level = (wanted: string) =>
      inNode(
        world,
        NODE,
      )([...["curl", "-sS", "-f", "-X", "POST", `http://127.0.0.1:10666/debug/log-level?level=${wanted}`]]);

    await useNamespace(t, world, NAME);
    const [pod] = await run(world, [idlePod(NAME, "quiet", NODE)]);
    if (pod === undefined) throw new Error("the pod is missing");
    const found = world
      .ovs(NODE)
      .podInterfaces()
      .find(({ external_ids }) => external_ids["iface-id"] === `quiet.${NAME}`);
    const request = found?.external_ids["weft-request"] ?? "none";
    const [added] = (await daemonLog()).filter(({ cni }) => cni?.request === request);
    t.match(
      added,
      { level: 30, msg: "ADD", cni: { verb: "add", pod: `${NAME}/quiet` } },
      "the request that created the port",
    );
    const object = `pods/${NAME}/quiet`;
    const [v4, v6] = addressesOf(pod);
    // An earlier run had a pod of that name.
    const allocated = (await controllerLog()).filter((line) => line.object === object && line.v4 === v4);
    t.match(allocated, [{ msg: "address allocated", ip: `quiet.${NAME}`, v4, v6 }], "one line of the decision");

    t.match(await level("debug"), { code: 0 });
    await run(world, [idlePod(NAME, "loud", NODE)]);
    t.match(await level("info"), { code: 0 });
    const log = await daemonLog();
    const loud = log.find(({ msg, cni }) => msg === "ADD" && cni?.pod === `${NAME}/loud`)?.cni?.request;
    const parts = log.filter((line) => line.level === 20 && loud !== undefined && JSON.stringify(line).includes(loud));
    t.ok(parts.length > 1, `${parts.length} lines of the parts of the request`);

    await remove(world, NAME, ["quiet", "loud"]);
    await until("the release is logged", 30_000, async () =>
      (await controllerLog()).some(({ msg, ip }) => msg === "address released" && ip === `quiet.${NAME}`),
    );
  },
);
