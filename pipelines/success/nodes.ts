import type { Node } from "../models/model.ts";
import { clusterStep } from "./clusters.ts";
import type { ResolvedPractice } from "./files.ts";

/** The tables of customer-success practice, `marts.*`: what docs/practice.md describes. */
export async function successNodes(practice: ResolvedPractice): Promise<readonly Node[]> {
  return [clusterStep(practice.clusters)];
}
