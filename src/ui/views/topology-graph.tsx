// SPDX-License-Identifier: Apache-2.0

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { TopologyNode } from "../../page/contract.ts";
import { wording } from "../app/settings.ts";
import { Icon, type IconName } from "../components/icon.tsx";
import type { Texts } from "../messages/texts.ts";
import { fullestOf, toneOfFill } from "../model/fill.ts";
import { type GraphNode, graphAround, type TopologyIndex } from "../model/graph.ts";
import { type ArrowDirection, NODE_SIZE, nearest, type PlacedNode, placed } from "../model/graph-layout.ts";

/** Of each kind at most so many are shown, until more are asked for. */
const LIMIT = 14;

const ICONS: Readonly<Record<TopologyNode["kind"], IconName>> = {
  vpc: "vpc",
  subnet: "subnets",
  node: "nodes",
  gateway: "gateways",
  vlan: "flows",
};
const ARROWS: Readonly<Record<string, ArrowDirection>> = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "up",
  ArrowDown: "down",
};

/** The graph around a node. Arrow keys go to the next box in their direction, Enter and a click walk to it, Backspace walks back. */
export function TopologyGraph({
  index,
  focus,
  onWalk,
}: {
  readonly index: TopologyIndex;
  readonly focus: string | undefined;
  readonly onWalk: (id: string | undefined) => void;
}) {
  const { t } = wording.value;
  const [limits, setLimits] = useState<{ readonly focus: string | undefined; readonly limit: number }>({
    focus,
    limit: LIMIT,
  });
  const limit = limits.focus === focus ? limits.limit : LIMIT;
  const graph = useMemo(() => graphAround(index, focus, limit), [index, focus, limit]);
  const layout = useMemo(() => placed(graph), [graph]);
  const [asked, setActive] = useState(focus);
  const active = asked !== undefined && layout.places.has(asked) ? asked : (focus ?? graph.nodes[0]?.id);
  const svg = useRef<SVGSVGElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const place = focus === undefined ? undefined : layout.places.get(focus);
    if (place === undefined || frame.current === null) return;
    frame.current.scrollTop = place.y - frame.current.clientHeight / 2;
  }, [focus]);
  const take = useRef(false);
  useEffect(() => {
    if (take.current) svg.current?.querySelector<SVGElement>('[tabindex="0"]')?.focus();
    take.current = false;
  }, [active, layout]);
  const walk = (node: GraphNode): void => {
    take.current = true;
    if (node.shows === "rest") setLimits({ focus, limit: limit + 60 });
    else {
      setActive(node.id);
      onWalk(node.id);
    }
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const direction = ARROWS[event.key];
    const node = graph.nodes.find(({ id }) => id === active);
    if (direction !== undefined && active !== undefined) {
      event.preventDefault();
      const next = nearest(layout.places, active, direction);
      take.current = true;
      if (next !== undefined) setActive(next);
    } else if ((event.key === "Enter" || event.key === " ") && node !== undefined) {
      event.preventDefault();
      walk(node);
    } else if (event.key === "Backspace" && focus !== undefined) {
      event.preventDefault();
      take.current = true;
      onWalk(index.get(focus)?.kind === "subnet" ? index.vpcOf(focus)?.id : undefined);
    }
  };
  return (
    <div class="graph-frame" ref={frame}>
      <svg
        ref={svg}
        class="graph"
        width={layout.width}
        height={layout.height}
        viewBox={`0 0 ${layout.width} ${layout.height}`}
        role="group"
        aria-label={t("topology.graph")}
        onKeyDown={onKeyDown}
      >
        {graph.edges.map(({ from, to, kind }, at) => (
          <path
            key={`${kind} ${from} ${to}`}
            class={`edge ${kind === "peering" ? "dashed" : ""} ${from === active || to === active ? "near" : ""}`}
            d={layout.lines[at] ?? ""}
          />
        ))}
        {graph.nodes.map((node) => {
          const place = layout.places.get(node.id);
          return (
            place !== undefined && (
              <Box
                key={node.id}
                node={node}
                place={place}
                chosen={node.id === focus}
                active={node.id === active}
                onWalk={walk}
                onFocus={setActive}
              />
            )
          );
        })}
      </svg>
    </div>
  );
}

function Box({
  node,
  place: { x, y },
  chosen,
  active,
  onWalk,
  onFocus,
}: {
  readonly node: GraphNode;
  readonly place: PlacedNode;
  readonly chosen: boolean;
  readonly active: boolean;
  readonly onWalk: (node: GraphNode) => void;
  readonly onFocus: (id: string) => void;
}) {
  const { t } = wording.value;
  const { name, detail, mark, share } = told(wording.value, node);
  const { width, height } = NODE_SIZE;
  return (
    <g
      class={`node ${chosen ? "chosen" : ""}`}
      transform={`translate(${x} ${y})`}
      role="button"
      tabindex={active ? 0 : -1}
      aria-label={`${name} ${detail}${mark === undefined ? "" : `, ${t(`health.${mark}`)}`}`}
      aria-current={chosen ? "true" : undefined}
      onClick={() => onWalk(node)}
      onFocus={() => onFocus(node.id)}
    >
      <rect class="ring" x="-4" y="-4" width={width + 8} height={height + 8} rx="10" />
      <rect class="box" width={width} height={height} rx="7" />
      <svg x="10" y="9" width="16" height="16">
        <Icon name={node.shows === "rest" ? "next" : ICONS[node.node.kind]} />
      </svg>
      {/* One text, so that its words are those of the label. */}
      <svg x="33" y="0" width={width - (mark === undefined ? 41 : 58)} height="44">
        <text>
          <tspan class="name" x="0" y="22">
            {name}
          </tspan>{" "}
          <tspan class="detail" x="0" y="39">
            {detail}
          </tspan>
        </text>
      </svg>
      {share !== undefined && (
        <>
          <rect class="bar-track" x="10" y="46" width={width - 20} height="3" rx="1.5" />
          <rect
            class={`bar-used ${toneOfFill(share)}`}
            x="10"
            y="46"
            width={share === 0 ? 0 : Math.max(2, share * (width - 20))}
            height="3"
            rx="1.5"
          />
        </>
      )}
      {mark !== undefined && (
        <path class={`mark ${mark === "error" ? "bad" : "warn"}`} d={`M${width - 20} 20l7 -12l7 12z`} />
      )}
    </g>
  );
}

/** What a box says. */
function told(
  { t, percent, list }: Texts,
  node: GraphNode,
): { readonly name: string; readonly detail: string; readonly mark?: "error" | "warning"; readonly share?: number } {
  if (node.shows === "rest") return { name: t("graph.more", { n: node.count }), detail: t(`kinds.${node.kind}`) };
  const { node: shown, subnets } = node;
  const { name, state } = shown;
  const mark = state === "error" || state === "warning" ? { mark: state } : {};
  switch (shown.kind) {
    case "vpc":
      return { name, detail: `${t("kind.vpc")} · ${t("count.subnets", { n: subnets })}`, ...mark };
    case "subnet": {
      const share = fullestOf(shown.fill)?.share;
      const pods = t("count.pods", { n: shown.pods });
      return share === undefined
        ? { name, detail: pods, ...mark }
        : { name, detail: `${pods} · ${percent(share)}`, share, ...mark };
    }
    case "node":
      return { name, detail: `${t("kind.node")} · ${t("count.pods", { n: shown.pods })}`, ...mark };
    case "gateway":
      return { name, detail: t(`gateway.${shown.what}`), ...mark };
    case "vlan":
      return { name, detail: list([shown.provider, `VLAN ${shown.vlanId}`]), ...mark };
  }
}
