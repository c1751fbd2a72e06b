// SPDX-License-Identifier: Apache-2.0

import {
  ArrowLeftRight,
  Box,
  ChevronRight,
  CircleAlert,
  CircleCheck,
  CircleDashed,
  CircleX,
  Contrast,
  DoorOpen,
  FilePen,
  Gauge,
  Globe,
  type IconNode,
  Keyboard,
  Languages,
  LayoutGrid,
  LogOut,
  Network,
  Route,
  Search,
  Server,
  Shield,
  TriangleAlert,
  Workflow,
  X,
} from "lucide";
import { h } from "preact";

const ICONS = {
  flows: ArrowLeftRight,
  pods: Box,
  next: ChevronRight,
  alert: CircleAlert,
  ok: CircleCheck,
  unknown: CircleDashed,
  bad: CircleX,
  theme: Contrast,
  gateways: DoorOpen,
  plan: FilePen,
  overview: Gauge,
  outside: Globe,
  keyboard: Keyboard,
  language: Languages,
  subnets: LayoutGrid,
  logout: LogOut,
  topology: Network,
  reach: Route,
  search: Search,
  nodes: Server,
  policies: Shield,
  warn: TriangleAlert,
  vpc: Workflow,
  close: X,
} as const satisfies Record<string, IconNode>;

/** The name of an icon. */
export type IconName = keyof typeof ICONS;

/** An icon beside a text that says the same: hidden from screen readers. */
export function Icon({ name, size = 16 }: { readonly name: IconName; readonly size?: number }) {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="2"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {ICONS[name].map(([tag, attributes], index) => h(tag, { key: String(index), ...attributes }))}
    </svg>
  );
}
