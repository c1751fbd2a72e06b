// SPDX-License-Identifier: Apache-2.0

import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { watch } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import t, { type Test } from "tap";
import { type CertifiedKey, issueKey, type KeyUse, makeAuthority } from "../pki/authority.ts";
import type { ClientEvent, OvsdbClient, TlsFiles } from "./client.ts";
import { OVN_SB } from "./generated/ovn-sb.ts";
import { openOvsdb } from "./open.ts";
import { insert, type Operation, remove, update } from "./operation.ts";
import { findOvsTools, type OvsTools } from "./testing/ovs-tools.ts";
import { TestFolder, type TestServer } from "./testing/server.ts";
import { until } from "./testing/until.ts";

const tools = findOvsTools();
const noOpenssl = spawnSync("openssl", ["version"]).status === 0 ? false : "no openssl on the PATH";
const skip = typeof tools === "string" ? tools : noOpenssl;

/** A southbound server with TLS only, with the role of ovn-controllers, as in ovn-central. */
interface Bench {
  readonly folder: string;
  readonly server: TestServer;
  readonly remote: string;
  readonly log: string;
  readonly central: CertifiedKey;
  readonly nodes: CertifiedKey;
  /** Writes key and certificate, in one file, and the trusted authority; a second call replaces them. */
  files(name: string, identity: CertifiedKey): Promise<TlsFiles>;
  identity(
    commonName: string,
    authority: CertifiedKey,
    usages?: readonly KeyUse[],
    days?: number,
  ): Promise<CertifiedKey>;
  connect(tls: TlsFiles, onEvent?: (event: ClientEvent) => void): OvsdbClient;
  /** Resolves when the server has logged it. */
  logged(pattern: RegExp): Promise<void>;
}

async function setUp(t: Test): Promise<Bench> {
  const folder = await TestFolder.make(tools as OvsTools);
  t.teardown(() => folder.close());
  const at = { now: Date.now(), days: 1 };
  const central = await makeAuthority(folder.path, { commonName: "weft-central-ca", ...at });
  const nodes = await makeAuthority(folder.path, { commonName: "weft-node-ca", ...at });
  const files = async (name: string, { privateKey, certificate }: CertifiedKey): Promise<TlsFiles> => {
    const [pem, ca] = [join(folder.path, `${name}.pem`), join(folder.path, `${name}.ca`)];
    for (const [file, text] of [
      [pem, privateKey + certificate],
      [ca, central.certificate + (name === "server" ? nodes.certificate : "")],
    ] as const) {
      await writeFile(`${file}.new`, text, { mode: 0o600 });
      await rename(`${file}.new`, file);
    }
    return { privateKey: pem, certificate: pem, caCertificate: ca };
  };
  const identity: Bench["identity"] = (commonName, authority, usages = ["clientAuth"], days = 1) =>
    // The shortest ones have expired when they are created: they begin five minutes earlier.
    issueKey(folder.path, authority, { commonName, usages, now: Date.now() - (days === 0 ? 60_000 : 0), days });
  const own = await files("server", await identity("ovn-central", central, ["serverAuth", "clientAuth"]));
  const log = join(folder.path, "server.log");
  const server = await folder.standalone(OVN_SB, [
    ...[`--private-key=${own.privateKey}`, `--certificate=${own.certificate}`, `--ca-cert=${own.caCertificate}`],
    ...[`--log-file=${log}`, "--remote=db:OVN_Southbound,SB_Global,connections"],
  ]);
  const port = await freePort();
  await folder.insert(server, OVN_SB.name, [
    { table: "SB_Global", row: { connections: ["named-uuid", "c"] } },
    { table: "Connection", name: "c", row: { target: `pssl:${port}:127.0.0.1`, role: "ovn-controller" } },
    // As northd writes them (ovn-northd's `rbac_chassis_update`).
    {
      table: "RBAC_Role",
      row: {
        name: "ovn-controller",
        permissions: [
          "map",
          [
            ["Chassis", ["named-uuid", "p"]],
            ["Encap", ["named-uuid", "q"]],
          ],
        ],
      },
    },
    {
      ...{ table: "RBAC_Permission", name: "q" },
      row: { table: "Encap", authorization: "chassis_name", insert_delete: true, update: "type" },
    },
    {
      ...{ table: "RBAC_Permission", name: "p" },
      row: {
        ...{ table: "Chassis", authorization: "name", insert_delete: true },
        update: ["set", ["nb_cfg", "external_ids", "encaps"]],
      },
    },
  ]);
  // It listens before it answers the next request.
  await folder.tool("ovsdb-client", "list-dbs", server.remote);
  const remote = `ssl:127.0.0.1:${port}`;
  return {
    ...{ folder: folder.path, server, remote, log, central, nodes, files, identity },
    connect: (tls, onEvent = () => undefined) => {
      const client = openOvsdb({ remotes: [remote], database: OVN_SB.name, maxBackoffMs: 200, tls, onEvent });
      t.teardown(() => client.close());
      return client;
    },
    logged: async (pattern) => {
      let text = await readFile(log, "utf8");
      const watcher = watch(log);
      try {
        await until(
          (listener) => {
            const look = (): void =>
              void readFile(log, "utf8").then((now) => {
                text = now;
                listener();
              });
            watcher.on("change", look);
            look();
            return () => watcher.off("change", look);
          },
          () => pattern.test(text),
          `${pattern} in the server's log`,
        );
      } finally {
        watcher.close();
      }
    },
  };
}

t.test("a node writes the rows of its own chassis, and no others", { skip }, async (t) => {
  const bench = await setUp(t);
  const mine = bench.connect(await bench.files("n1", await bench.identity("chassis-1", bench.nodes)));
  const theirs = bench.connect(await bench.files("n2", await bench.identity("chassis-2", bench.nodes)));
  const reader = bench.connect(await bench.files("controller", await bench.identity("weft-controller", bench.central)));
  await Promise.all([mine.whenConnected(), theirs.whenConnected(), reader.whenConnected()]);
  const denied = { code: "permission error", message: /client "[\w-]+" role "ovn-controller" prohibit/ };
  await t.rejects(theirs.transact(OVN_SB.name, registration("chassis-1")), denied);
  await t.rejects(mine.transact(OVN_SB.name, [insert(OVN_SB, "SB_Global", undefined, {})]), denied);
  await mine.transact(OVN_SB.name, registration("chassis-1"));
  await mine.transact(OVN_SB.name, [update(OVN_SB, "Chassis", CHASSIS, { nb_cfg: 1 })]);
  for (const client of [theirs, reader]) {
    await t.rejects(client.transact(OVN_SB.name, [update(OVN_SB, "Chassis", CHASSIS, { nb_cfg: 2 })]), denied);
    await t.rejects(client.transact(OVN_SB.name, [remove(OVN_SB, "Chassis", CHASSIS)]), denied);
  }
  const mirror = reader.monitor(OVN_SB, { Chassis: ["name", "nb_cfg"] });
  await mirror.whenSynced();
  t.match([...mirror.rows("Chassis")], [{ name: "chassis-1", nb_cfg: 1 }]);
});

t.test(
  "without a certificate, or with an invalid one, a client is refused and the server logs it",
  {
    skip,
  },
  async (t) => {
    const bench = await setUp(t);
    const { central, nodes } = bench;
    t.match(await refusal(bench, { ca: central.certificate }), /certificate required|handshake failure/);
    await bench.logged(/peer did not return a certificate/);

    const stranger = await makeAuthority(bench.folder, { commonName: "weft-node-ca", now: Date.now(), days: 1 });
    for (const [name, identity, reason] of [
      ["expired", await bench.identity("chassis-1", nodes, ["clientAuth"], 0), /expired/],
      ["stranger", await bench.identity("chassis-1", stranger), /unknown ca|decrypt error|bad certificate/],
      ["server", await bench.identity("chassis-1", nodes, ["serverAuth"]), /unsupported certificate/],
    ] as const) {
      const files = await bench.files(`c-${name}`, identity);
      const { promise, resolve } = Promise.withResolvers<ClientEvent>();
      const client = bench.connect(files, (event) => event.type === "disconnected" && resolve(event));
      t.match(await promise, { error: { code: /^(connection|disconnected)$/ } }, name);
      await client.close();
      // This client sends nothing that the server leaves unread, because the kernel would then reset the connection
      // and drop the reason.
      const { privateKey: key, certificate: cert } = identity;
      t.match(await refusal(bench, { ca: central.certificate, key, cert }), reason, name);
    }
    await bench.logged(/(certificate verify failed[\s\S]*){3}/);
  },
);

t.test("a server whose certificate central's authority has not signed is refused", { skip }, async (t) => {
  const bench = await setUp(t);
  for (const [name, identity] of [
    ["a node", await bench.identity("ovn-central", bench.nodes, ["serverAuth"])],
    ["a client", await bench.identity("weft-controller", bench.central)],
  ] as const) {
    await bench.files("server", identity);
    const files = await bench.files("n1", await bench.identity("chassis-1", bench.nodes));
    const { promise, resolve } = Promise.withResolvers<ClientEvent>();
    const client = bench.connect(files, (event) => event.type === "disconnected" && resolve(event));
    t.match(await promise, { error: { code: "connection", message: /certificate/ } }, name);
    await client.close();
  }
});

t.test("renewed certificates are used by new connections, and existing ones continue", { skip }, async (t) => {
  const bench = await setUp(t);
  const events: ClientEvent[] = [];
  const node = await bench.files("n1", await bench.identity("chassis-1", bench.nodes));
  const client = bench.connect(node, (event) => events.push(event));
  await client.whenConnected();
  await client.transact(OVN_SB.name, registration("chassis-1"));

  const before = await shownBy(bench, node);
  const renewed = await bench.identity("ovn-central", bench.central, ["serverAuth", "clientAuth"]);
  await bench.files("server", renewed);
  // The same file for the client, with another name, so that the server's log shows which one was used.
  await bench.files("n1", await bench.identity("chassis-3", bench.nodes));
  t.not(await shownBy(bench, node), before, "the server uses the renewed certificate");
  t.equal(await shownBy(bench, node), new X509Certificate(renewed.certificate).serialNumber);

  await client.transact(OVN_SB.name, [update(OVN_SB, "Chassis", CHASSIS, { nb_cfg: 2 })]);
  t.notOk(events.some(({ type }) => type === "disconnected"));
  const next = bench.connect(node);
  await next.whenConnected();
  await t.rejects(next.transact(OVN_SB.name, [update(OVN_SB, "Chassis", CHASSIS, { nb_cfg: 3 })]), {
    message: /client "chassis-3"/,
  });
});

/** The row of a test's chassis. */
const CHASSIS = "00000000-0000-4000-8000-000000000002";

/** The first rows that an ovn-controller writes: {@link CHASSIS} and its tunnel address. */
function registration(name: string): readonly Operation[] {
  const encap = "00000000-0000-4000-8000-000000000001";
  return [
    insert(OVN_SB, "Encap", encap, { type: "geneve", ip: "192.0.2.1", chassis_name: name }),
    insert(OVN_SB, "Chassis", CHASSIS, { name, encaps: [encap] }),
  ];
}

/** The server's error to a client that it does not accept. */
async function refusal({ remote }: Bench, shown: { ca: string; key?: string; cert?: string }): Promise<string> {
  const port = Number(remote.split(":").at(-1));
  const socket = connectTls({ port, host: "127.0.0.1", ...shown, checkServerIdentity: () => undefined });
  const [error] = (await once(socket, "error")) as [Error];
  return error.message;
}

/** The serial number of the server's certificate on a new connection. */
async function shownBy({ remote }: Bench, tls: TlsFiles): Promise<string> {
  const [pem, ca] = await Promise.all([readFile(tls.certificate), readFile(tls.caCertificate)]);
  const port = Number(remote.split(":").at(-1));
  const socket = connectTls({ port, host: "127.0.0.1", cert: pem, key: pem, ca, checkServerIdentity: () => undefined });
  await once(socket, "secureConnect");
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

/** An unused port. */
async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
