// SPDX-License-Identifier: Apache-2.0

import type { RecordAnnotations } from "../facts/accepted.ts";
import type { Malformed } from "../facts/meta.ts";

/** One Vip. */
export interface VipFact extends Malformed {
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  /** RFC 3339; of two objects with ambiguous names the older one has the plain name. */
  readonly created: string;
  /** Its resource version. */
  readonly version: string;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
  readonly namespace: string;
  readonly subnet: string;
  /** "" (a virtual port), `switch_lb_vip` or `kube_host_vm_vip`. */
  readonly type: string;
  /** The requested or allocated addresses. */
  readonly v4: string;
  readonly v6: string;
  readonly mac: string;
  /** Whether the addresses are allocated, from `status`. */
  readonly given: boolean;
  /** The controller has created it as the source of health checks. */
  readonly checkSource: boolean;
  /** Labels of the pods that may be its parents; empty for all of the namespace; absent for none, because the selector is invalid. */
  readonly selector?: readonly (readonly [key: string, value: string])[];
  /** The fields of `NOT_SUPPORTED` that it sets. */
  readonly unsupported: readonly string[];
  /** `spec.selector`, unparsed. */
  readonly written: readonly string[];
  /** Its record of the accepted configuration; "" if it has none. */
  readonly accepted: string;
  readonly records: RecordAnnotations;
  /** Its invalid parts. */
  readonly problem?: { readonly reason: string; readonly message: string };
}

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly vips: VipFact;
  }
  interface FactIndexes {
    readonly vips: "subnet" | "namespace" | "answered";
  }
}
