// SPDX-License-Identifier: Apache-2.0

import { CNI_ERROR, type CniVerb } from "../../api/cni-message.ts";
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
import { Stopwatch } from "./stopwatch.ts";

/** What the verbs work with. */
export interface VerbDependencies extends AddDependencies {
  readonly lanes: Lanes;
  readonly journal: Journal;
  /** Why pods cannot get a network on this node; undefined if they can. */
  notReady(): string | undefined;
}

/** The verbs of CNI SPEC 1.1 as handlers of the server. Each request leaves one record in the journal. */
export function cniVerbs(world: VerbDependencies): VerbHandlers {
  return {
    add: (body, caller) => {
      const request = readPodRequest(body, "add");
      return record(world, "add", request, (watch) =>
        world.lanes.run(attachmentKey(request), "add", (signal) => addPod(world, request, watch, signal), caller),
      );
    },
    del: (body) => {
      const request = readPodRequest(body, "del");
      return record(world, "del", request, async () => {
        // As IPAM nothing was made here; the controller takes the address back when the pod goes.
        if (!request.ipamOnly) await remove(world, request);
      });
    },
    check: (body) => {
      const request = readPodRequest(body, "check");
      return record(world, "check", request, async () => {
        if (request.ipamOnly) checkAddresses(world.pods, request);
        else await world.lanes.run(attachmentKey(request), "check", () => checkAttachment(world, request));
      });
    },
    gc: (body) => {
      const request = readGcRequest(body);
      return record(world, "gc", {}, () => collectInvalid(world, request));
    },
    status: (body) =>
      record(world, "status", {}, async () => {
        checkStatusRequest(body);
        status(world);
      }),
  };
}

type Attachment = Pick<PodRequest, "containerId" | "ifName" | "provider">;

function remove(world: VerbDependencies, attachment: Attachment): Promise<void> {
  return world.lanes.run(attachmentKey(attachment), "del", () => deleteAttachment(world, attachment));
}

async function collectInvalid(world: VerbDependencies, request: GcRequest): Promise<void> {
  // As IPAM nothing was made here.
  if (request.ipamOnly) return;
  const failures: string[] = [];
  for (const { containerID, ifname } of staleAttachments(world.ports, request)) {
    const attachment = { containerId: containerID, ifName: ifname, provider: request.provider };
    // An attachment that is being made is not in the runtime's list yet.
    if (world.lanes.busy(attachmentKey(attachment))) continue;
    try {
      await remove(world, attachment);
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

function status(world: VerbDependencies): void {
  const reason = world.notReady();
  if (reason !== undefined) throw new CniError(CNI_ERROR.notAvailable, `weft-daemon is not ready: ${reason}`);
}

async function record<R>(
  world: VerbDependencies,
  verb: CniVerb,
  about: Partial<PodRequest>,
  work: (watch: Stopwatch) => Promise<R>,
): Promise<R> {
  const watch = new Stopwatch(world.clock?.now, (part, ms) => world.journal.part(verb, about, part, ms));
  world.journal.began(verb, about);
  try {
    const result = await work(watch);
    world.journal.done({ verb, about, watch });
    return result;
  } catch (thrown) {
    const error = CniError.from(thrown, `${verb.toUpperCase()} failed`);
    world.journal.done({ verb, about, watch, error });
    throw error;
  }
}
