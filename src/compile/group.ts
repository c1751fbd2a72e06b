import type { FactReader } from "../facts/store.ts";
import type { GroupFact } from "../facts/types.ts";
import { groupText } from "../policy/group.ts";
import type { Fragment } from "../unit/fragment.ts";
import type { UnitKind } from "../unit/kind.ts";
import type { WeftEffect } from "./effects.ts";
import { FragmentBuilder } from "./fragment-builder.ts";
import { groupId } from "./owner-ids.ts";
import { externalIds } from "./rows.ts";

/**
 * A group that policies refer to. Its members are not its own matter: each pod adds itself, in the transaction that makes its port, so
 * that no pod is ever up without its policies.
 */
export const groupUnit: UnitKind<FactReader, GroupFact, WeftEffect> = {
  name: "group",
  priority: 1,
  whole: true,

  read: (reader, key) => reader.get("groups", key),

  compile({ key: name, group }): Fragment<WeftEffect> {
    const build = new FragmentBuilder();
    if (group.kind === "pods") {
      build.row("Port_Group", groupId(name), { name, external_ids: externalIds({ selector: groupText(group) }) });
    }
    return build.finish();
  },
};
