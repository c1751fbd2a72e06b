import t from "tap";
import { firstPackets } from "../first-packet.ts";
import { ownReady } from "../pods.ts";
import { killProcess, PROGRAM } from "../processes.ts";
import { openWorld, whyNoLab } from "../world.ts";

t.test(
  "two hundred pods start under a policy, and no packet gets in that it forbids",
  { skip: whyNoLab() },
  async (t) => {
    await firstPackets(t, await openWorld(t), { pods: 200, ms: 400_000 });
  },
);

t.test("nor does one while the controller is killed", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const disturb = async (): Promise<void> => {
    for (let i = 0; i < 3; i++) {
      const controller = await ownReady(world, "kube-ovn-controller");
      await killProcess(controller.metadata.uid, PROGRAM.controller);
      await new Promise((resolve) => setTimeout(resolve, 2_000));
    }
  };
  await firstPackets(t, world, { pods: 100, disturb, ms: 400_000 });
});
