/**
 * Properties draw the same cases on every machine, so that a change is judged by itself and not by luck. A search for new ones gives
 * a seed of its own: `ASSAY_PROPERTY_SEED=$RANDOM ASSAY_PROPERTY_RUNS=30 npx vitest run test/properties`.
 */
import fc from "fast-check";

fc.configureGlobal({ seed: Number(process.env.ASSAY_PROPERTY_SEED ?? 20260702) });
