// SPDX-License-Identifier: Apache-2.0

import { SAMPLE_SET, samplePoint } from "../api/sampling.ts";
import type { Fragment } from "../desired/fragment.ts";
import { rowUuid } from "../desired/identity.ts";
import { type UnitKind, unitId } from "../desired/unit-kind.ts";
import type { FactReader } from "../facts/store.ts";
import type { WeftEffect } from "./effects.ts";
import { FragmentBuilder } from "./fragment-builder.ts";
import { externalIds } from "./rows.ts";

/** The one key of {@link samplingUnit}, and the owner id of its rows. */
export const SAMPLING = "flows";
/** Identifies the collector among others (ovn-nb(5), `Sample_Collector.id`), and samples of new connections among others (`Sampling_App.id`). */
const ID = 87;

/**
 * What samples of connections go by: where they are sent, and how many of them. Each ACL that is sampled refers to the collector by a `Sample` of its own. Only the first packets of a connection are sampled,
 * and packets that are dropped: what is established costs nothing.
 */
export const samplingUnit: UnitKind<FactReader, { readonly probability: number }, WeftEffect> = {
  name: "sampling",
  priority: 0,

  read(reader) {
    const probability = reader.get("cluster", "cluster")?.sampling;
    return probability === undefined ? undefined : { probability };
  },

  compile({ probability }): Fragment<WeftEffect> {
    const build = new FragmentBuilder();
    const external_ids = externalIds({ type: "sampling" });
    build.row("Sample_Collector", SAMPLING, { id: ID, name: "weft", probability, set_id: SAMPLE_SET, external_ids });
    build.row("Sampling_App", SAMPLING, { type: "acl-new", id: ID, external_ids });
    return build.finish();
  },
};

/** Whether connections are sampled. */
export function isSampling(reader: FactReader): boolean {
  return reader.get("cluster", "cluster")?.sampling !== undefined;
}

/** Has new connections that an ACL decides, by its owner id, sampled. */
export function sampleAcl(build: FragmentBuilder, aclId: string): void {
  const metadata = samplePoint(aclId);
  const id = `sample/${metadata}`;
  if (build.has("Sample", id)) {
    build.member("ACL", aclId, "sample_new", rowUuid("Sample", id));
    return;
  }
  // A policy does not fail because another one came to the same number.
  build.shared("ACL", aclId, "sample_new", "Sample", id, { metadata });
  build.member("Sample", id, "collectors", rowUuid("Sample_Collector", SAMPLING), unitId(samplingUnit.name, SAMPLING));
}
