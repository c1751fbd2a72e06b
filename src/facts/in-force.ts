import { type Dual, dualValues, parseDualCidr, parseDualIp } from "../net/dual.ts";

/** The addresses with which a subnet is in force, canonical. Both have the same families. */
export interface InForce {
  readonly cidr: Dual<string>;
  readonly gateway: Dual<string>;
}

/**
 * The annotation on a Subnet that holds the addresses with which it is in force, `<cidrBlock> <gateway>`. What is written into its spec
 * later is judged against it, and does not count where it cannot be: a mistake must not cut off the pods that are there. The controller
 * writes it after the commit; nodes follow it rather than the spec.
 */
export const IN_FORCE_ANNOTATION = "weft.kubeovn.io/in-force";

/** The text of {@link IN_FORCE_ANNOTATION}. */
export function writeInForce({ cidr, gateway }: InForce): string {
  return `${dualValues(cidr).join(",")} ${dualValues(gateway).join(",")}`;
}

/** What {@link writeInForce} has written; `undefined` for anything else. */
export function readInForce(text: string): InForce | undefined {
  const [blocks = "", gateways = "", ...more] = text.split(" ");
  const cidr = parseDualCidr(blocks);
  const gateway = parseDualIp(gateways);
  if (cidr === undefined || gateway === undefined || more.length > 0) return undefined;
  if ((cidr.v4 === undefined) !== (gateway.v4 === undefined)) return undefined;
  if ((cidr.v6 === undefined) !== (gateway.v6 === undefined)) return undefined;
  return { cidr: texts(cidr), gateway: texts(gateway) };
}

function texts({ v4, v6 }: Dual<{ readonly text: string }>): Dual<string> {
  return { ...(v4 && { v4: v4.text }), ...(v6 && { v6: v6.text }) };
}
