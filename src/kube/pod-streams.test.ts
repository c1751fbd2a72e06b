// SPDX-License-Identifier: Apache-2.0

import { once } from "node:events";
import t, { type Test } from "tap";
import type { ClusterAccess } from "./config.ts";
import { connectTo, type KubeConnection } from "./connect.ts";
import { type ExecRequest, execInPod, type RunningExec } from "./pod-exec.ts";
import { connectToPod } from "./pod-port-forward.ts";
import { fakeKube } from "./testing/fake.ts";
import { type ServeOptions, serveKube } from "./testing/fake-http.ts";
import type { FakeExec, PodStreamOptions } from "./testing/fake-pod-streams.ts";

const POD = { namespace: "kube-system", name: "ovs-1" };
const LACKING = {
  status: 403,
  body: {
    ...{ kind: "Status", status: "Failure", reason: "Forbidden", code: 403 },
    message:
      'pods "ovs-1" is forbidden: User "jane" cannot get resource "pods/exec" in API group "" in the namespace "kube-system"',
  },
};

async function serve(t: Test, options: ServeOptions, access: Partial<ClusterAccess> = {}): Promise<KubeConnection> {
  const served = await serveKube(fakeKube(), options);
  const connection = connectTo(
    {
      ...{ server: new URL(served.url), namespace: undefined, tls: async () => ({ rejectUnauthorized: true }) },
      credentials: { identity: async () => ({ headers: { authorization: "Bearer a" } }), refused: () => false },
      ...access,
    },
    { userAgent: "weft-test/1" },
  );
  t.teardown(async () => {
    connection.close();
    await served.close();
  });
  return connection;
}

interface Ran {
  readonly running: RunningExec;
  out(): string;
  err(): string;
}

async function run(
  { sockets }: KubeConnection,
  request: Partial<ExecRequest> = {},
  take: () => Promise<void> | undefined = () => undefined,
): Promise<Ran> {
  let [out, err] = ["", ""];
  const running = await execInPod(
    sockets,
    POD,
    {
      ...{ container: "openvswitch", command: ["ovs-vsctl", "show"], stdin: false, tty: false },
      ...{ signal: new AbortController().signal, ...request },
    },
    {
      stdout(data) {
        out += data.toString("utf8");
        return take();
      },
      stderr(data) {
        err += data.toString("utf8");
        return undefined;
      },
    },
  );
  return { running, out: () => out, err: () => err };
}

/** A server whose commands are taken one by one. */
async function commands(t: Test, more: PodStreamOptions = {}): Promise<readonly [KubeConnection, Promise<FakeExec>]> {
  const first = Promise.withResolvers<FakeExec>();
  return [await serve(t, { streams: { ...more, exec: first.resolve } }), first.promise];
}

t.test("a command's output, errors and exit code arrive, whole and in order", async (t) => {
  const [connection, started] = await commands(t);
  const { running, out, err } = await run(connection, { command: ["sh", "-c", "a b; c"] });
  const exec = await started;
  t.match(exec, { namespace: "kube-system", pod: "ovs-1", container: "openvswitch", stdin: false, tty: false });
  t.same(exec.command, ["sh", "-c", "a b; c"]);
  exec.stdout("one ");
  exec.stderr("careful");
  exec.stdout("two");
  exec.exit(3);
  t.equal(await running.ended, 3);
  t.equal(out(), "one two");
  t.equal(err(), "careful");
});

t.test("output that is sent as soon as the connection is open is not lost", async (t) => {
  const connection = await serve(t, {
    streams: {
      exec(running) {
        running.stdout("early");
        running.exit(0);
      },
    },
  });
  const { running, out } = await run(connection);
  t.equal(await running.ended, 0);
  t.equal(out(), "early");
});

t.test("input reaches the command, and ends; the size of the terminal is told", async (t) => {
  const [connection, started] = await commands(t);
  const { running } = await run(connection, { stdin: true, tty: true });
  const exec = await started;
  t.match(exec, { stdin: true, tty: true });
  running.resize(120, 40);
  await running.write(Buffer.from("show\n"));
  running.endInput();
  while (!exec.inputEnded) await exec.received();
  t.equal(exec.input, "show\n");
  t.same(exec.sizes, ['{"Width":120,"Height":40}']);
  t.notOk(exec.gone, "the command may still answer");
  exec.exit(0);
  t.equal(await running.ended, 0);
});

t.test("to end the input of a command by an API server of before 1.30 closes the connection", async (t) => {
  const [connection, started] = await commands(t, { protocols: ["v4.channel.k8s.io"] });
  const { running } = await run(connection, { stdin: true });
  const exec = await started;
  running.endInput();
  while (!exec.gone) await exec.received();
  await t.rejects(running.ended, { code: "unavailable", message: /the connection ended before the command/ });
});

t.test("nothing more is received while output is not taken", async (t) => {
  const [connection, started] = await commands(t);
  const taken = Promise.withResolvers<void>();
  const first = Promise.withResolvers<void>();
  let pieces = 0;
  const { running, out } = await run(connection, {}, () => {
    pieces++;
    first.resolve();
    return taken.promise;
  });
  const exec = await started;
  const [piece, sent] = [Buffer.alloc(2 ** 16, "x"), 400];
  for (let i = 0; i < sent; i++) exec.stdout(piece);
  exec.exit(0);
  await first.promise;
  t.ok(exec.unsent > (piece.length * sent) / 2, "most of it waits at the server");
  t.ok(pieces < sent / 2);
  taken.resolve();
  t.equal(await running.ended, 0);
  t.equal(out().length, piece.length * sent);
});

t.test("a missing right is reported in the API server's words, with its code", async (t) => {
  const connection = await serve(t, { streams: { refuse: () => LACKING } });
  await t.rejects(run(connection), {
    name: "KubeError",
    code: "forbidden",
    message: `run a command in pod ovs-1: ${LACKING.body.message} (403 Forbidden)`,
  });
});

t.test("a pod that is gone, and an answer that is no WebSocket, are errors with a code", async (t) => {
  const body = { kind: "Status", reason: "NotFound", code: 404, message: 'pods "ovs-1" not found' };
  const gone = await serve(t, { streams: { refuse: () => ({ status: 404, body }) } });
  await t.rejects(run(gone), { code: "not-found", message: /pods "ovs-1" not found/ });
  const other = await serve(t, { streams: { refuse: () => ({ status: 200, body: {} }) } });
  await t.rejects(run(other), { code: "protocol", message: /is a proxy in between/ });
});

t.test("credentials are read again after a refusal, once", async (t) => {
  let token = 0;
  const asked: unknown[] = [];
  const connection = await serve(
    t,
    {
      streams: {
        refuse({ headers }) {
          asked.push(headers.authorization);
          return headers.authorization === "Bearer 2" ? undefined : { status: 401, body: { code: 401 } };
        },
        exec: (running) => running.exit(0),
      },
    },
    {
      credentials: { identity: async () => ({ headers: { authorization: `Bearer ${++token}` } }), refused: () => true },
    },
  );
  t.equal(await (await run(connection)).running.ended, 0);
  t.same(asked, ["Bearer 1", "Bearer 2"]);
  await t.rejects(run(connection), { code: "unauthorized" });
  t.equal(asked.length, 4);
});

t.test("an API server that does not answer, or is not there, is an error in the end", async (t) => {
  const silent = await serve(t, { streams: { silent: true } });
  await t.rejects(run(silent, { connectMs: 50 }), { code: "timeout", message: /no connection within 50 ms/ });
  const control = new AbortController();
  const waiting = run(silent, { signal: control.signal });
  control.abort();
  await t.rejects(waiting, { code: "aborted" });
  const nowhere = await serve(t, {}, { server: new URL("http://127.0.0.1:9") });
  await t.rejects(run(nowhere), { code: "unavailable", message: /ECONNREFUSED/ });
});

t.test("a command that cannot be run, and a connection that breaks, are errors", async (t) => {
  const [connection, started] = await commands(t);
  const first = await run(connection);
  (await started).fail("error executing command in container: no such container");
  await t.rejects(first.running.ended, { code: "internal", message: /no such container/ });
  const [other, second] = await commands(t);
  const broken = await run(other);
  (await second).breakOff();
  await t.rejects(broken.running.ended, { code: "unavailable", message: /the connection broke/ });
});

t.test("an aborted command's connection is closed", async (t) => {
  const [connection, started] = await commands(t);
  const control = new AbortController();
  const { running } = await run(connection, { signal: control.signal });
  const exec = await started;
  control.abort();
  await t.rejects(running.ended, { code: "aborted" });
  while (!exec.gone) await exec.received();
});

t.test("a forwarded port carries data both ways, and says that nothing listens there", async (t) => {
  const connection = await serve(t, {
    streams: {
      forward: (port, data) =>
        port === 8443
          ? Buffer.from(`${data}`.toUpperCase())
          : port === 8080
            ? undefined
            : new Error("connection refused by the pod"),
    },
  });
  const { signal } = new AbortController();
  const stream = await connectToPod(connection.sockets, POD, 8443, signal);
  stream.write("hello");
  const [answer] = (await once(stream, "data")) as [Buffer];
  t.equal(answer.toString("utf8"), "HELLO");
  stream.end();
  await once(stream, "end");
  const closed = await connectToPod(connection.sockets, POD, 8080, signal);
  closed.resume().write("hello");
  await once(closed, "close");
  t.ok(closed.writableEnded, "what the pod has closed takes no data");
  const refused = await connectToPod(connection.sockets, POD, 8444, signal);
  refused.resume().write("hello");
  await t.rejects(once(refused, "close"), { code: "unavailable", message: /connection refused by the pod/ });
});
