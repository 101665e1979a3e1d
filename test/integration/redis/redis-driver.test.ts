import { describeDriver } from "../../../src/testing/index.js";
import { onRedis } from "../../support/stores.js";

await onRedis("Redis driver", (store) => {
  describeDriver({
    name: "redis",
    open: async (t) => ({ driver: await (await store.place(t)).driver() }),
  });
});
