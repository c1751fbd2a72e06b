/**
 * Names of a pod's host interface, as Kube-OVN makes them: `<first 12 of the container id>_h` for eth0, and
 * `<start of the container id>_<interface>_h` for another one, so that both fit Linux' 15 characters.
 */
export function hostLinkName(containerId: string, ifName: string): string {
  if (ifName === "eth0") return `${containerId.slice(0, 12)}_h`;
  const room = Math.max(1, 12 - ifName.length);
  return `${`${containerId.slice(0, room)}_${ifName}`.slice(0, 13)}_h`;
}

/** Whether a name has the form of {@link hostLinkName}; another program's interface may have it too. */
export function isHostLinkName(name: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9_.-]{2,12}_h$/.test(name);
}
