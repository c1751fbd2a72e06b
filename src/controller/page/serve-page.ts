// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import { Server as TlsServer } from "node:tls";
import type { Logger } from "pino";
import type { FactStore } from "../../facts/store.ts";
import type { Kube } from "../../kube/kube.ts";
import type { ConditionsOf } from "../../page/conditions.ts";
import { FlowEnds } from "../../page/flow-ends.ts";
import { namespacesOf } from "../../page/flows.ts";
import type { CompiledUnits } from "../../page/reach-network.ts";
import { ownCertificate } from "../../pki/own-certificate.ts";
import { isPolicyKind } from "../../policy/policy-kinds.ts";
import { PolicyIndex } from "../../reachability/policy-index.ts";
import type { Clock } from "../../time/clock.ts";
import type { ClusterFlows } from "../flows/cluster-flows.ts";
import type { Settings } from "../settings.ts";
import { Accounts } from "./accounts.ts";
import { ChangeLog } from "./change-log.ts";
import { ClusterReader } from "./cluster-reader.ts";
import { EventStreams } from "./event-streams.ts";
import { PageCertificate } from "./page-certificate.ts";
import { PlanProcess } from "./plan-process.ts";
import type { RouteParts } from "./routes.ts";
import { sealKey } from "./seal-key.ts";
import { TokenSeal } from "./sealed-token.ts";
import { PageServer } from "./server.ts";
import { staticFiles } from "./static-files.ts";

/** What the page of a controller needs. */
export interface PageParts {
  readonly kube: Kube;
  readonly clock: Clock;
  readonly log: Logger;
  readonly settings: Pick<
    Settings,
    "pagePort" | "pageDir" | "pageCertificateDir" | "tlsDir" | "namespace" | "identity"
  >;
  readonly controller: {
    readonly facts: FactStore;
    readonly engine: { readonly desired: CompiledUnits };
    readonly leading: boolean;
    readonly conditions: ConditionsOf;
  };
  /** Absent: flows are not sampled, or cannot be read. Their owner stops reading. */
  readonly flows?: ClusterFlows | undefined;
  /** Why nothing can be answered yet. */
  readonly notReady: () => string | undefined;
  /** Without TLS, and on the loopback address only; for tests. */
  readonly plain?: true;
  /** The program of the controller, which makes plans; default: the running one. */
  readonly program?: string;
}

/** So many flows are told as changes at a time. */
const TOLD = 2_000;

/** Serves the web page. Every replica does: all have the same facts. Rejects where it cannot listen, or the folder cannot be read. */
export async function servePage(parts: PageParts): Promise<{ readonly port: number; close(): void }> {
  const { kube, clock, log, settings, controller, flows, notReady, plain } = parts;
  const { facts, engine } = controller;
  let book: PolicyIndex | undefined;
  const compiled: CompiledUnits = {
    units: () => engine.desired.units(),
    fragment: (unit) => engine.desired.fragment(unit),
  };
  const changes = new ChangeLog(clock, (port) => facts.get("ips", port)?.holder);
  const streams = new EventStreams(changes, clock, () => flows?.reader.hold() ?? (() => undefined));
  const unfollow = flows?.reader.subscribe((changed) => {
    const ends = new FlowEnds(facts, flows.rules());
    streams.noteFlows(new Set(changed.slice(-TOLD).flatMap((flow) => [...namespacesOf(ends, flow)])));
  });
  const unsubscribe = facts.subscribe((change) => {
    if (isPolicyKind(change.kind)) book = undefined;
    streams.note(change);
  }, "page");
  const plans = new PlanProcess(facts, clock, parts.program);
  const routes: RouteParts = {
    facts,
    compiled,
    get book() {
      book ??= new PolicyIndex(facts);
      return book;
    },
    conditionsOf: (kind, name) => controller.conditions(kind, name),
    reader: new ClusterReader(kube, clock, settings.namespace),
    answeredBy: () => ({ name: settings.identity, leading: controller.leading }),
    plan: (viewer, question) => plans.plan(viewer, question),
    ...(flows && { flows: { read: () => flows.reader.read(), rules: flows.rules } }),
    version: process.env["WEFT_VERSION"] ?? "",
  };
  const server = new PageServer({
    routes,
    accounts: new Accounts({ kube, clock, namespaces: () => facts.all("namespaces").map(({ name }) => name) }),
    seal: new TokenSeal(await sealKeyOr(parts)),
    streams,
    files: existsSync(settings.pageDir) ? await staticFiles(settings.pageDir) : new Map(),
    clock,
    notReady,
    onError: (err) => log.error({ err }, "failed to answer a request of the web page"),
  });
  const certificate = new PageCertificate({
    folder: settings.pageCertificateDir,
    make: () => ownCertificate(settings.tlsDir, "weft-ui", clock.wall()),
    log,
  });
  const key = plain ? undefined : await certificate.first();
  const listening = await server.listen(settings.pagePort, key, plain ? "127.0.0.1" : undefined);
  certificate.follow(({ privateKey, certificate: cert }) => {
    if (listening instanceof TlsServer) listening.setSecureContext({ key: privateKey, cert });
  });
  const address = listening.address();
  const port = typeof address === "object" && address !== null ? address.port : settings.pagePort;
  log.info({ port }, "serving the web page");
  return {
    port,
    close: () => {
      unsubscribe();
      certificate.stop();
      streams.stop();
      unfollow?.();
      listening.close();
      listening.closeAllConnections();
    },
  };
}

/** The key of all replicas, or, where the Secret cannot be read, one of this process: then a login is valid for it alone. */
async function sealKeyOr({ kube, log, settings }: PageParts): Promise<Buffer | undefined> {
  try {
    return await sealKey(kube, settings.namespace);
  } catch (err) {
    log.warn({ err }, "failed to read the key of the web page's logins; logins are valid for this replica only");
    return undefined;
  }
}
