// SPDX-License-Identifier: Apache-2.0

import {
  CNI_ERROR,
  CNI_TYPE,
  CNI_VERSIONS,
  type CniErrorCode,
  type CniFailure,
  type CniGcRequest,
  type CniRequest,
  type CniResponse,
  type CniStatusRequest,
  type CniVerb,
  type CniVersionResult,
  cniPath,
} from "../api/cni-message.ts";
import { type Configuration, readConfiguration, versionForAnswer } from "./configuration.ts";
import { type Invocation, readInvocation } from "./environment.ts";
import { asPluginError, errorJson, PluginError } from "./errors.ts";
import { ATTEMPT_PAUSE_MS, DAEMON_ABSENT_MS, PLUGIN_DEADLINE_MS, SOON_AFTER_MS } from "./plugin-deadlines.ts";
import { ExchangeError, type HttpAnswer } from "./post-to-daemon.ts";
import { addResult } from "./result.ts";

/** The environment of the plugin, so that it also runs in memory (as in pkg/skel of containernetworking/cni). */
export interface PluginDependencies {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Identifies this request on the node; may be absent in tests. */
  readonly requestId?: string;
  readStdin(): string | Promise<string>;
  writeStdout(text: string): void;
  post(socket: string, path: string, body: string, deadlineMs: number): Promise<HttpAnswer>;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  wait(ms: number): Promise<void>;
}

/**
 * kubelet looks for this text in the error of a pod (`NetworkNotReadyErrorMsg` of pkg/kubelet/errors.go, 1.34), and then tries again after 1 to 1.5 s instead of 10 to 15 s
 * (pkg/kubelet/pod_workers.go, `completeWork`).
 */
const SOON = "network is not ready";

/** Runs one CNI call and returns the exit code: 0, or 1 with an error as JSON on stdout. Never throws. */
export async function runPlugin(deps: PluginDependencies): Promise<0 | 1> {
  let stdin = "";
  const begun = deps.now();
  try {
    const call = readInvocation(deps.env);
    stdin = await readAll(deps);
    const output = await perform(deps, call, stdin);
    if (output !== undefined) deps.writeStdout(JSON.stringify(output));
    return 0;
  } catch (thrown) {
    const error = asPluginError(thrown);
    const waited = deps.env["CNI_COMMAND"] === "ADD" && deps.now() - begun >= SOON_AFTER_MS;
    deps.writeStdout(errorJson(waited ? triedSoon(error) : error, versionForAnswer(stdin)));
    return 1;
  }
}

/** An error that may be over by now, so that kubelet tries again soon. */
function triedSoon(error: PluginError): PluginError {
  if (error.code !== CNI_ERROR.tryAgainLater) return error;
  return new PluginError(error.code, `${SOON}: ${error.message}`, error.details, error);
}

async function readAll(deps: PluginDependencies): Promise<string> {
  try {
    return await deps.readStdin();
  } catch (cause) {
    throw new PluginError(
      CNI_ERROR.ioFailure,
      "cannot read the network configuration from stdin",
      String(cause),
      cause,
    );
  }
}

async function perform(deps: PluginDependencies, call: Invocation, stdin: string): Promise<unknown> {
  if (call.verb === "VERSION") {
    const answer: CniVersionResult = { cniVersion: versionForAnswer(stdin), supportedVersions: CNI_VERSIONS };
    return answer;
  }
  const conf = readConfiguration(stdin, call.verb);
  const verb = call.verb.toLowerCase() as CniVerb;
  const answer = await ask(deps, conf, verb, requestOf(conf, call, deps.requestId));
  if (answer.status !== 200 && answer.status !== 204) throw refusal(answer);
  if (verb !== "add") return undefined;
  return addResult(conf, call, decodeResponse(answer.body), conf.type !== CNI_TYPE);
}

async function ask(
  deps: PluginDependencies,
  conf: Configuration,
  verb: CniVerb,
  request: ReturnType<typeof requestOf>,
): Promise<HttpAnswer> {
  const begun = deps.now();
  const patience = verb === "add" || verb === "del" ? DAEMON_ABSENT_MS : 0;
  let absentSince: number | undefined;
  for (;;) {
    const left = PLUGIN_DEADLINE_MS[verb] - Math.round(deps.now() - begun);
    const body = JSON.stringify(verb === "add" ? { ...request, timeout_ms: left } : request);
    const result = await deps
      .post(conf.serverSocket, cniPath(verb), body, left)
      .catch((error: unknown) => error as Error);
    absentSince ??= deps.now();
    const waited = deps.now() - absentSince >= patience;
    if (!(result instanceof Error)) {
      if (waited || !isRestarting(result)) return result;
    } else if (waited || !(result instanceof ExchangeError) || result.code === "deadline") {
      throw unanswered(deps, conf, verb, result);
    }
    await deps.wait(ATTEMPT_PAUSE_MS);
  }
}

/** Whether a daemon answers that is shutting down. */
function isRestarting({ status, body }: HttpAnswer): boolean {
  return status === 503 && failureOf(body)?.restarting === true;
}

function unanswered(deps: PluginDependencies, conf: Configuration, verb: CniVerb, cause: Error): PluginError {
  const refused = cause instanceof ExchangeError && cause.code === "refused";
  return new PluginError(
    verb === "status" ? CNI_ERROR.notAvailable : CNI_ERROR.tryAgainLater,
    refused
      ? `failed to connect to weft-daemon at ${conf.serverSocket}; is this node's pod of the DaemonSet kube-ovn-cni running?`
      : `weft-daemon did not answer ${verb.toUpperCase()}`,
    `${cause.message}${deps.requestId === undefined ? "" : ` (request ${deps.requestId})`}`,
    cause,
  );
}

function requestOf(
  conf: Configuration,
  call: Invocation,
  requestId: string | undefined,
): CniRequest | CniGcRequest | CniStatusRequest {
  const base = {
    cni_type: conf.type,
    provider: conf.provider,
    cni_version: conf.cniVersion,
    network_name: conf.name,
    ...(requestId !== undefined && { request_id: requestId }),
  };
  if (call.verb === "STATUS") return base;
  if (call.verb === "GC") return { ...base, valid_attachments: conf.validAttachments ?? [] };
  const podName = call.args["K8S_POD_NAME"] ?? "";
  const podNamespace = call.args["K8S_POD_NAMESPACE"] ?? "";
  if (call.verb === "ADD" && (podName === "" || podNamespace === "")) {
    throw new PluginError(CNI_ERROR.invalidEnvironment, "CNI_ARGS must hold K8S_POD_NAME and K8S_POD_NAMESPACE");
  }
  return {
    ...base,
    pod_name: podName,
    pod_namespace: podNamespace,
    ...podUid(call),
    container_id: call.containerId,
    net_ns: call.netns,
    if_name: call.ifName,
    routes: conf.routes,
    ...(conf.dns === undefined ? {} : { dns: conf.dns }),
    ...conf.device,
    ...(conf.prevResult === undefined ? {} : { prev_result: conf.prevResult }),
  };
}

/** The uid distinguishes a pod from an earlier one of the same name; not every runtime sends it. */
function podUid(call: Invocation): { pod_uid?: string } {
  const uid = call.args["K8S_POD_UID"];
  return uid ? { pod_uid: uid } : {};
}

/** Converts the daemon's {@link CniFailure}, or any other error response. */
function refusal({ status, body }: HttpAnswer): PluginError {
  const { error, code, details } = failureOf(body) ?? {};
  if (typeof error === "string" && error !== "") {
    return new PluginError(isCode(code) ? code : CNI_ERROR.tryAgainLater, error, String(details ?? ""));
  }
  return new PluginError(CNI_ERROR.tryAgainLater, `weft-daemon answered ${status}`, body.slice(0, 500));
}

/** The daemon's {@link CniFailure}; undefined if the body is something else. */
function failureOf(body: string): Partial<CniFailure> | undefined {
  try {
    return JSON.parse(body) as Partial<CniFailure>;
  } catch {
    return undefined;
  }
}

function isCode(code: unknown): code is CniErrorCode {
  return Object.values(CNI_ERROR).some((known) => known === code);
}

function decodeResponse(body: string): CniResponse {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === "object" && value !== null) return value as CniResponse;
  } catch {
    // Reported below.
  }
  throw new PluginError(
    CNI_ERROR.decodingFailure,
    "weft-daemon's answer to ADD is not a JSON object",
    body.slice(0, 500),
  );
}
