// SPDX-License-Identifier: Apache-2.0

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import t from "tap";
import { newNetns, noNft } from "../../netlink/testing/netns.ts";
import { LINK_GROUP } from "../../node/marks.ts";
import { POD_LINK_RULES } from "./pod-link-rules.ts";

const [NODE, POD, PORT] = ["172.18.0.11", "172.18.0.99", 7000];

/** Prints each datagram. */
const RECEIVER = `
const socket = require("node:dgram").createSocket("udp4");
socket.on("message", (text) => console.log(String(text)));
socket.bind(${PORT}, () => console.log("up"));`;

/** Sends one datagram to the node's address. */
const SENDER = `
const socket = require("node:dgram").createSocket("udp4");
socket.send(process.argv[1], ${PORT}, "${NODE}", () => socket.close());`;

t.test("a pod's broadcast with the node's address does not reach the node's sockets", { skip: noNft() }, async (t) => {
  const [node, pod] = await Promise.all([newNetns(t), newNetns(t)]);
  const inside = (path: string, command: readonly string[], input = ""): string =>
    execFileSync("nsenter", [`--net=${path}`, ...command], { encoding: "utf8", input });
  const ip = (path: string, text: string): string => inside(path, ["ip", ...text.split(" ")]);
  const send = (path: string, text: string): string => inside(path, [process.execPath, "-e", SENDER, text]);
  ip(node, `link add 0123456789ab_h type veth peer name eth0 netns ${pod.split("/")[2]}`);
  ip(node, `link set 0123456789ab_h up group ${LINK_GROUP}`);
  ip(node, `address add ${NODE}/32 dev lo`);
  ip(node, "link set lo up");
  // A source without a route is dropped (rp_filter) or not answered; here it has one, as if the pod used the
  // address of a neighbour of the node.
  ip(node, `route add ${POD}/32 dev 0123456789ab_h`);
  ip(pod, `address add ${POD}/24 dev eth0`);
  ip(pod, "link set eth0 up");
  ip(pod, `neighbour add ${NODE} lladdr ff:ff:ff:ff:ff:ff dev eth0 nud permanent`);

  const receiver = spawn("nsenter", [`--net=${node}`, process.execPath, "-e", RECEIVER], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.teardown(() => receiver.kill("SIGKILL"));
  let received = "";
  receiver.stdout.setEncoding("utf8").on("data", (text: string) => {
    received += text;
  });
  const until = async (word: string): Promise<void> => {
    while (!received.includes(word)) await once(receiver.stdout, "data");
  };
  await until("up");

  send(pod, "without rules");
  await until("without rules");
  inside(node, ["nft", "-f", "-"], POD_LINK_RULES);
  send(pod, "with rules");
  t.match(
    inside(node, ["nft", "list", "table", "inet", "weft/pod-links"]),
    /counter packets [1-9]/,
    "it arrived, and was dropped",
  );
  send(node, "by the node itself");
  await until("by the node itself");
  t.same(received.split("\n"), ["up", "without rules", "by the node itself", ""]);
});
