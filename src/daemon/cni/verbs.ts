// SPDX-License-Identifier: Apache-2.0

import { CNI_ERROR, type CniVerb } from "../../api/cni-message.ts";
import { SYSTEM_CLOCK } from "../../time/clock.ts";
import { type AddDependencies, addPod } from "./add.ts";
import { checkAttachment } from "./check.ts";
import { checkAddresses } from "./check-addresses.ts";
import { CniError } from "./cni-error.ts";
import { deleteAttachment, staleAttachments } from "./delete.ts";
import type { Journal } from "./journal.ts";
import type { Lanes } from "./lanes.ts";
import {
  attachmentKey,
  checkStatusRequest,
  type GcRequest,
  type PodRequest,
  readGcRequest,
  readPodRequest,
} from "./request.ts";
import type { VerbHandlers } from "./server.ts";
import { CONNECTED_MS, whenConnected } from "./starting.ts";
import { Stopwatch } from "./stopwatch.ts";

/** Dependencies of {@link cniVerbs}. */
export interface VerbDependencies extends AddDependencies {
  readonly lanes: Lanes;
  readonly journal: Journal;
}

/** The verbs of CNI SPEC 1.1 as handlers of the server. Each request adds one record to the journal. */
export function cniVerbs(deps: VerbDependencies): VerbHandlers {
  return {
    add: (body, caller) => {
      const request = readPodRequest(body, "add");
      return record(deps, "add", request, (watch) =>
        deps.lanes.run(attachmentKey(request), "add", (signal) => addPod(deps, request, watch, signal), caller),
      );
    },
    del: (body) => {
      const request = readPodRequest(body, "del");
      return record(deps, "del", request, async () => {
        // As another plugin's IPAM, ADD created nothing; the controller releases the address when the pod is deleted.
        if (!request.ipamOnly) await remove(deps, request);
      });
    },
    check: (body) => {
      const request = readPodRequest(body, "check");
      return record(deps, "check", request, async () => {
        if (request.ipamOnly) checkAddresses(deps.pods, request);
        else await deps.lanes.run(attachmentKey(request), "check", (signal) => check(deps, request, signal));
      });
    },
    gc: (body) => {
      const request = readGcRequest(body);
      return record(deps, "gc", {}, () => collectInvalid(deps, request));
    },
    status: (body) =>
      record(deps, "status", {}, async () => {
        checkStatusRequest(body);
        status(deps);
      }),
  };
}

type Attachment = Pick<PodRequest, "containerId" | "ifName" | "provider">;

function remove(deps: VerbDependencies, attachment: Attachment): Promise<void> {
  return deps.lanes.run(attachmentKey(attachment), "del", async (signal) => {
    await whenConnected(deps, CONNECTED_MS, signal);
    await deleteAttachment(deps, attachment);
  });
}

async function check(deps: VerbDependencies, request: PodRequest, signal: AbortSignal): Promise<void> {
  await whenConnected(deps, CONNECTED_MS, signal);
  await checkAttachment(deps, request);
}

async function collectInvalid(deps: VerbDependencies, request: GcRequest): Promise<void> {
  // As another plugin's IPAM, ADD created nothing.
  if (request.ipamOnly) return;
  await whenConnected(deps, CONNECTED_MS, deps.stopping);
  const failures: string[] = [];
  for (const { containerID, ifname } of staleAttachments(deps.ports, request)) {
    const attachment = { containerId: containerID, ifName: ifname, provider: request.provider };
    // An attachment that is being added is not in the runtime's list yet.
    if (deps.lanes.busy(attachmentKey(attachment))) continue;
    try {
      await remove(deps, attachment);
    } catch (error) {
      failures.push(`${containerID}/${ifname}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (failures.length > 0) {
    throw new CniError(CNI_ERROR.tryAgainLater, `failed to remove ${failures.length} attachments`, {
      details: failures.slice(0, 10).join("\n"),
    });
  }
}

function status(deps: VerbDependencies): void {
  const reason = deps.notReady();
  if (reason !== undefined) throw new CniError(CNI_ERROR.notAvailable, `weft-daemon is not ready: ${reason}`);
}

async function record<R>(
  deps: VerbDependencies,
  verb: CniVerb,
  about: Partial<PodRequest>,
  work: (watch: Stopwatch) => Promise<R>,
): Promise<R> {
  const { clock = SYSTEM_CLOCK } = deps;
  const watch = new Stopwatch(
    () => clock.now(),
    (part, ms) => deps.journal.part(verb, about, part, ms),
  );
  deps.journal.began(verb, about);
  try {
    const result = await work(watch);
    deps.journal.done({ verb, about, watch });
    return result;
  } catch (thrown) {
    const error = CniError.from(thrown, `${verb.toUpperCase()} failed`);
    deps.journal.done({ verb, about, watch, error });
    throw error;
  }
}
