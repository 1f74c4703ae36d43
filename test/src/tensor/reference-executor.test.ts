import { openExecutor } from "../../../src/tensor/index.ts";
import { executorSuite } from "./executor.suite.ts";

executorSuite(() => openExecutor("reference"), { tolerance: 1e-6 });
