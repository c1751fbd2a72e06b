// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "./errors.ts";
import type { ObjectRef } from "./object.ts";
import { objectPath } from "./paths.ts";
import { PODS } from "./resources.ts";
import type { SocketAccess } from "./transport.ts";
import { openWebSocket, type SocketRequest } from "./websocket.ts";

/** A command to run in a container. */
export interface ExecRequest extends Pick<SocketRequest, "connectMs"> {
  readonly container: string;
  readonly command: readonly string[];
  /** The command gets an input, which stays open until `endInput`. */
  readonly stdin: boolean;
  /** The command gets a terminal; its errors are then part of its output. */
  readonly tty: boolean;
  /** Ends the connection at any time; the command is then not ended, see `endInput`. */
  readonly signal: AbortSignal;
}

/** Takes what the command writes. While a returned promise is pending, nothing more is received. */
export interface ExecOutput {
  stdout(data: Buffer): Promise<void> | undefined;
  stderr(data: Buffer): Promise<void> | undefined;
}

/** A running command. */
export interface RunningExec {
  /** Resolves with its exit code, after its last output was taken. Rejects with a KubeError if it could not be run, or if the connection ends before it. */
  readonly ended: Promise<number>;
  /** Resolves when the kernel has taken the input. Rejects with a KubeError if the connection has ended. */
  write(data: Uint8Array): Promise<void>;
  /** Ends the input. API servers before Kubernetes 1.30 cannot do this: then the connection is closed, by which the container's runtime ends it as well. */
  endInput(): void;
  /** The size of the terminal, in characters. */
  resize(columns: number, rows: number): void;
}

/** The first byte of each message (k8s.io/apimachinery `remotecommand`, constants.go). */
const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
/** The version that can end one channel (KEP-4006), and the one before. */
const [V5, V4] = ["v5.channel.k8s.io", "v4.channel.k8s.io"] as const;

/**
 * Runs a command in a container, by a WebSocket of the API server. The account needs the verb `get` on `pods/exec`, and from Kubernetes 1.35 on `create` as well. Resolves when the API
 * server has accepted it; rejects with a KubeError.
 */
export async function execInPod(
  access: SocketAccess,
  pod: ObjectRef,
  { container, command, stdin, tty, ...connecting }: ExecRequest,
  output: ExecOutput,
): Promise<RunningExec> {
  const query = new URLSearchParams({
    ...{ container, stdin: String(stdin), stdout: "true", stderr: String(!tty), tty: String(tty) },
  });
  for (const word of command) query.append("command", word);
  const what = `run a command in pod ${pod.name}`;
  const path = `${objectPath(PODS, pod, "exec")}?${query.toString()}`;
  const { promise: ended, resolve, reject } = Promise.withResolvers<number>();
  // The caller may not look at it after a failure of its own.
  ended.catch(() => undefined);
  const socket = await openWebSocket(
    access,
    { what, path, protocols: [V5, V4], ...connecting },
    {
      message(data, { close }) {
        const content = data.subarray(1);
        // The server opens each channel with an empty message.
        if (content.length === 0) return undefined;
        switch (data[0]) {
          case CHANNEL.stdout:
            return output.stdout(content);
          case CHANNEL.stderr:
            return output.stderr(content);
          case CHANNEL.error: {
            // It is the last message: the others were taken.
            const result = exitCodeOf(content.toString("utf8"), what);
            if (typeof result === "number") resolve(result);
            else reject(result);
            close();
            return undefined;
          }
          default:
            return undefined;
        }
      },
      closed: (cause) =>
        reject(cause ?? new KubeError("unavailable", `${what}: the connection ended before the command`)),
    },
  );
  const send = (channel: number, data: Uint8Array): Promise<void> =>
    socket.send(Buffer.concat([Buffer.of(channel), data]));
  // `ended` rejects as well.
  const sendOrEnd = (channel: number, data: Uint8Array): void => void send(channel, data).catch(() => undefined);
  return {
    ended,
    write: (data) => send(CHANNEL.stdin, data),
    endInput: () => (socket.protocol === V5 ? sendOrEnd(CHANNEL.close, Buffer.of(CHANNEL.stdin)) : socket.close()),
    resize: (columns, rows) => sendOrEnd(CHANNEL.resize, Buffer.from(JSON.stringify({ Width: columns, Height: rows }))),
  };
}

interface ExecStatus {
  readonly status?: unknown;
  readonly reason?: unknown;
  readonly code?: unknown;
  readonly details?: { readonly causes?: readonly { readonly reason?: unknown; readonly message?: unknown }[] | null };
}

/** The exit code in a meta/v1 Status (remotecommand: the reason `NonZeroExitCode`, with a cause `ExitCode`); or why the command could not be run. */
function exitCodeOf(text: string, what: string): number | KubeError {
  let parsed: ExecStatus | null;
  try {
    parsed = JSON.parse(text) as ExecStatus | null;
  } catch (cause) {
    return new KubeError("protocol", `${what}: ${text.slice(0, 300)}`, { cause });
  }
  if (parsed?.status === "Success") return 0;
  const cause = parsed?.details?.causes?.find(({ reason }) => reason === "ExitCode");
  const code = Number(cause?.message ?? Number.NaN);
  if (parsed?.reason === "NonZeroExitCode" && Number.isInteger(code)) return code;
  return KubeError.fromAnswer(typeof parsed?.code === "number" ? parsed.code : 500, text, what);
}
