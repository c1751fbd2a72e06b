// SPDX-License-Identifier: Apache-2.0

import type { NetworkAttachmentFact } from "../facts/network-attachment.ts";
import { projectAttachment } from "../facts/project-attachment.ts";
import { NETWORK_ATTACHMENTS } from "../kube/resources.ts";
import type { Kind } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly attachments: NetworkAttachmentFact;
  }
}

/** k8s.cni.cncf.io/v1 NetworkAttachmentDefinition: defines secondary interfaces of pods, if Multus is installed. */
export const attachmentKind: Kind<"attachments"> = {
  facts: "attachments",
  type: NETWORK_ATTACHMENTS,
  absent: "empty",
  project: projectAttachment,
  indexes: {},
  access: { verbs: ["get"], why: "Watched: they define secondary interfaces of pods. (`get` is for weftctl.)" },
};
