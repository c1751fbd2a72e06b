// SPDX-License-Identifier: Apache-2.0

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { wording } from "../app/settings.ts";
import { Icon } from "../components/icon.tsx";
import type { TopologyIndex } from "../model/graph.ts";
import { type Branch, branchesOf, shownBranches, treeKey } from "../model/tree.ts";

/** The topology as a tree (ARIA APG, tree view): what the graph shows, for all who do not see it. */
export function TopologyTree({
  index,
  focus,
  onWalk,
}: {
  readonly index: TopologyIndex;
  readonly focus: string | undefined;
  readonly onWalk: (id: string) => void;
}) {
  const { t, compare } = wording.value;
  const branches = useMemo(() => branchesOf(index, compare), [index, compare]);
  const [opened, setOpened] = useState<ReadonlySet<string>>(() => new Set(["nodes"]));
  const [asked, setActive] = useState<string | undefined>(undefined);
  const open = useMemo(
    () => new Set([...opened, ...(focus === undefined ? [] : [focus, index.vpcOf(focus)?.id ?? ""])]),
    [opened, focus, index],
  );
  const shown = shownBranches(branches, open);
  const known = shown.some(({ id }) => id === asked);
  const active = known ? asked : (shown.find(({ id }) => id === focus)?.id ?? shown[0]?.id);
  const tree = useRef<HTMLUListElement>(null);
  const take = useRef(false);
  useEffect(() => {
    if (take.current) tree.current?.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
    take.current = false;
  }, [active]);
  const toggle = (id: string, to: boolean): void => {
    const next = new Set(opened);
    if (to) next.add(id);
    else next.delete(id);
    setOpened(next);
  };
  const choose = (branch: Branch): void => {
    setActive(branch.id);
    if (branch.isGroup) toggle(branch.id, !open.has(branch.id));
    else onWalk(branch.id);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const at = shown.findIndex(({ id }) => id === active);
    const branch = shown[at];
    if (branch === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = treeKey(event.key, shown, at, open);
    if (step === undefined) return;
    event.preventDefault();
    if (step.do === "choose") choose(branch);
    else if (step.do === "go") {
      take.current = true;
      setActive(step.id);
    } else toggle(branch.id, step.do === "open");
  };
  return (
    <div class="tree-frame">
      <ul class="tree" role="tree" aria-labelledby="tree-title" ref={tree} onKeyDown={onKeyDown}>
        {branches.map((branch) => (
          <Twig
            key={branch.id}
            branch={branch}
            level={1}
            open={open}
            active={active}
            chosen={focus}
            onChoose={choose}
            onToggle={toggle}
            title={(one) => (one.isGroup ? t("kinds.node") : one.name)}
          />
        ))}
      </ul>
    </div>
  );
}

function Twig(props: {
  readonly branch: Branch;
  readonly level: number;
  readonly open: ReadonlySet<string>;
  readonly active: string | undefined;
  readonly chosen: string | undefined;
  readonly onChoose: (branch: Branch) => void;
  readonly onToggle: (id: string, to: boolean) => void;
  readonly title: (branch: Branch) => string;
}) {
  const { branch, level, open, active, chosen, onChoose, onToggle, title } = props;
  const { t } = wording.value;
  const isOpen = open.has(branch.id);
  const hasBranches = branch.branches.length > 0;
  return (
    <li
      role="treeitem"
      aria-level={level}
      aria-expanded={hasBranches ? isOpen : undefined}
      aria-selected={branch.id === chosen}
      tabIndex={branch.id === active ? 0 : -1}
      onClick={(event) => {
        event.stopPropagation();
        onChoose(branch);
      }}
    >
      <span class="twig">
        <span
          class={`chevron ${isOpen ? "down" : ""}`}
          onClick={(event) => {
            if (!hasBranches) return;
            event.stopPropagation();
            onToggle(branch.id, !isOpen);
          }}
        >
          {hasBranches && <Icon name="next" size={14} />}
        </span>
        <span>{title(branch)}</span>
        {branch.state !== "ok" && branch.state !== "unknown" && (
          <span class={branch.state === "error" ? "tone-bad" : "tone-warn"}>
            <Icon name={branch.state === "error" ? "bad" : "warn"} size={14} />
            <span class="visually-hidden">{t(`health.${branch.state}`)}</span>
          </span>
        )}
        <span class="end">
          {branch.pods !== undefined
            ? t("count.pods", { n: branch.pods })
            : hasBranches && branch.branches.length > 0
              ? wording.value.number(branch.branches.length)
              : ""}
        </span>
      </span>
      {hasBranches && isOpen && (
        <ul role="group">
          {branch.branches.map((one) => (
            <Twig key={one.id} {...props} branch={one} level={level + 1} />
          ))}
        </ul>
      )}
    </li>
  );
}
