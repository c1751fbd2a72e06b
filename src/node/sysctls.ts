// SPDX-License-Identifier: Apache-2.0

import { MIRROR_INTERFACE } from "../api/names.ts";
import { NetlinkError } from "../netlink/error.ts";
import type { Link } from "../netlink/links.ts";
import { type Driver, driver, type Step } from "./driver.ts";
import type { NodeKernel } from "./kernel.ts";
import { isPodLink, isProbeLink } from "./marks.ts";
import { EACH_UPLINK, type SysctlState } from "./state.ts";

/** A sysctl and its value, "" if it does not exist. */
interface FoundSetting {
  readonly wanted: SysctlState;
  readonly value: string;
}

type SettingStep = Step & { readonly key: readonly string[]; readonly value: string };

/** Sysctls. They have no mark: one that is no longer wanted stays as it is. */
export function sysctlDriver(kernel: NodeKernel): Driver {
  return driver<readonly FoundSetting[], SettingStep>({
    kind: "sysctls",
    list({ sysctls }) {
      if (sysctls === undefined) return undefined;
      const uplinks = sysctls.some(({ key }) => key.includes(EACH_UPLINK))
        ? kernel.links().filter((link) => !link.loopback && !isPodLink(link) && !isOwnDevice(link))
        : [];
      return sysctls
        .filter(({ link }) => link === undefined || kernel.link(link) !== undefined)
        .flatMap((wanted) =>
          wanted.key.includes(EACH_UPLINK) ? uplinks.map(({ name }) => ofLink(wanted, name)) : [wanted],
        )
        .map((wanted) => ({ wanted, value: read(kernel, wanted.key) ?? "" }));
    },
    diff(found) {
      const set = found
        .filter(({ wanted, value }) =>
          wanted.insteadOf === undefined ? value !== wanted.value : value === wanted.insteadOf,
        )
        .map(({ wanted: { key, value } }) => ({ key, value, what: `sysctl net.${key.join(".")}` }));
      return { set };
    },
    apply({ key, value }) {
      kernel.setSysctl(key, value);
      return "done";
    },
  });
}

function isOwnDevice(link: Pick<Link, "name">): boolean {
  return isProbeLink(link) || link.name === MIRROR_INTERFACE;
}

function ofLink(wanted: SysctlState, name: string): SysctlState {
  return { ...wanted, key: wanted.key.map((part) => (part === EACH_UPLINK ? name : part)) };
}

/** An interface may be deleted meanwhile. */
function read(kernel: NodeKernel, key: readonly string[]): string | undefined {
  try {
    return kernel.sysctl(key);
  } catch (error) {
    if (error instanceof NetlinkError) return undefined;
    throw error;
  }
}
