/** Advice that history gives: how many KPIs, which weights and cut-offs, gates, and what holds of the folklore. */
import type { Book } from "../config/book.ts";
import type { Node } from "../models/model.ts";
import { adviseOnKpis } from "./advice-curve.ts";
import { adviseOnCuts } from "./advice-cuts.ts";
import { adviseOnFolklore } from "./advice-folklore.ts";
import { adviseOnWeights } from "./advice-humility.ts";
import { labelAgreementModel, labelDefinitionModel } from "./labels.ts";

/** The nodes after the verdicts that read them, the scores and the spine. */
export const adviceNodes = (book: Book): readonly Node[] => [
  labelAgreementModel(book),
  labelDefinitionModel(book),
  adviseOnKpis,
  adviseOnCuts,
  adviseOnWeights,
  adviseOnFolklore,
];
