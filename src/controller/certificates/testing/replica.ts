// SPDX-License-Identifier: Apache-2.0

import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Test } from "tap";
import { NODE } from "../../../api/annotations.ts";
import { CENTRAL_SECRET } from "../../../api/certificates.ts";
import { NODES, SECRETS } from "../../../kube/resources.ts";
import type { FakeKube } from "../../../kube/testing/fake.ts";
import type { Node, Secret } from "../../../kube/types.ts";
import { SYSTEM_CLOCK } from "../../../time/clock.ts";
import { decode, encode } from "../authorities.ts";
import { Certificates } from "../certificates.ts";
import type { GivenSecrets } from "../source.ts";

/** The namespace of Weft. */
export const namespace = "kube-system";

/** Lines of a log: level and message with its fields. */
export type Line = readonly [string, Readonly<Record<string, unknown>>, string];

/** A new folder. */
export function scratch(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), "weft-tls-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * A replica of the controller, as far as certificates are concerned. `ahead`: ms by which its clock is ahead; `folder`: of a replica before, whose container
 * has been restarted.
 */
export function replica(
  t: Test,
  kube: FakeKube,
  options: { readonly ahead?: number; readonly given?: GivenSecrets; readonly folder?: string } = {},
) {
  const folder = options.folder ?? join(scratch(t), "tls");
  const lines: Line[] = [];
  const level = (name: string) => (fields: object, message: string) =>
    void lines.push([name, fields as Readonly<Record<string, unknown>>, message]);
  const certificates = new Certificates({
    ...{ kube, namespace, folder, days: 90 },
    ...(options.given && { given: options.given }),
    clock: { ...SYSTEM_CLOCK, wall: () => Date.now() + (options.ahead ?? 0) },
    log: { info: level("info"), warn: level("warn"), debug: level("debug") } as never,
    whenNodesKnown: () => Promise.resolve(),
    nodesOf: (chassis) =>
      kube
        .objects<Node>(NODES)
        .filter(({ metadata }) => metadata.annotations?.[NODE.chassis] === chassis)
        .map(({ metadata }) => metadata.name),
  });
  t.teardown(() => certificates.stop());
  certificates.start();
  return { folder, lines, certificates };
}

/** Resolves when an object is as expected. */
export async function eventually<T>(t: Test, find: () => T | undefined): Promise<T> {
  const end = AbortSignal.timeout(60_000);
  for (;;) {
    const found = find();
    if (found !== undefined) return found;
    if (end.aborted) throw new Error(`not within 60 s in "${t.name}"`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A Secret of {@link namespace}. */
export const secret = (kube: FakeKube, name: string): Secret | undefined =>
  kube.object<Secret>(SECRETS, { namespace, name });

/** Resolves with the text of the Secret of ovn-central's certificate, when it differs from `before`. */
export const centralPem = (t: Test, kube: FakeKube, before?: string): Promise<string> =>
  eventually(t, () => {
    const found = secret(kube, CENTRAL_SECRET);
    const pem = found && decode(found, "tls.pem");
    return pem === before ? undefined : pem;
  });

/** Creates an administrator's Secret of type `kubernetes.io/tls`. */
export const giveSecret = (kube: FakeKube, name: string, data: Readonly<Record<string, string>>): Promise<Secret> =>
  kube.create<Secret>(SECRETS, {
    metadata: { namespace, name },
    data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, encode(text)])),
  });
