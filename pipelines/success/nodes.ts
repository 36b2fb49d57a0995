import { readModels } from "../models/header.ts";
import type { Node } from "../models/model.ts";
import { archetypeModels } from "./archetypes.ts";
import { clusterStep } from "./clusters.ts";
import type { ResolvedPractice } from "./files.ts";
import { journeyModels } from "./journey.ts";
import { outcomeModels } from "./outcomes.ts";
import { profileModels } from "./profiles.ts";
import { tellStep } from "./tell.ts";

/** The tables of customer-success practice, `marts.*`: what docs/practice.md describes. `kpis` are those that are on. */
export async function successNodes(practice: ResolvedPractice, kpis: readonly string[]): Promise<readonly Node[]> {
  return [
    clusterStep(practice.clusters),
    ...profileModels(kpis),
    ...archetypeModels(practice.archetypes),
    ...outcomeModels(practice.outcomes, practice.knows_outcome),
    ...journeyModels(practice.funnel),
    ...(await readModels("success")),
    tellStep,
  ];
}
