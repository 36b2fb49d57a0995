import { canonicalJson, sha256 } from "../lib/files.ts";
import type { Node } from "./model.ts";

/** The layers of the warehouse, in the order in which data flows. */
export const layers = [
  "meta",
  "raw",
  "staging",
  "rollup",
  "spine",
  "features",
  "scores",
  "validation",
  "marts",
] as const;

/** The layer of a node or table: its schema. */
export const layerOf = (name: string): string => name.slice(0, name.indexOf("."));

const layerRank = (name: string): number => (layers as readonly string[]).indexOf(layerOf(name));

/** The tables that a node leaves behind. */
export const producesOf = (node: Node): readonly string[] => (node.kind === "step" ? node.produces : [node.name]);

/**
 * Nodes in an order in which each comes after what it depends on; ties by layer and name, so that the order repeats.
 * `given` names the tables that exist already (sources, `meta.*`). Unknown dependencies and cycles are programming
 * errors and throw.
 */
export function sortNodes(nodes: readonly Node[], given: ReadonlySet<string>): readonly Node[] {
  const producers = new Map<string, Node>();
  for (const node of nodes) {
    for (const table of producesOf(node)) {
      if (producers.has(table)) throw new Error(`${table} is made twice`);
      producers.set(table, node);
    }
  }
  const sorted: Node[] = [];
  const state = new Map<Node, "open" | "done">();
  const visit = (node: Node, path: readonly string[]): void => {
    if (state.get(node) === "done") return;
    if (state.get(node) === "open") throw new Error(`models depend on each other: ${[...path, node.name].join(" > ")}`);
    state.set(node, "open");
    for (const table of [...node.depends].sort()) {
      const parent = producers.get(table);
      if (parent !== undefined) visit(parent, [...path, node.name]);
      else if (!given.has(table)) throw new Error(`${node.name} depends on ${table}, which nothing makes`);
    }
    state.set(node, "done");
    sorted.push(node);
  };
  const byLayer = (a: Node, b: Node): number => layerRank(a.name) - layerRank(b.name) || (a.name < b.name ? -1 : 1);
  for (const node of [...nodes].sort(byLayer)) visit(node, []);
  return sorted;
}

/** The nodes that these tables are made by and rest on, in the order given; what no node makes is somebody else's. */
export function leadingTo(nodes: readonly Node[], tables: readonly string[]): readonly Node[] {
  const producers = new Map(nodes.flatMap((node) => producesOf(node).map((table) => [table, node] as const)));
  const kept = new Set<Node>();
  const visit = (table: string): void => {
    const node = producers.get(table);
    if (node === undefined || kept.has(node)) return;
    kept.add(node);
    for (const parent of node.depends) visit(parent);
  };
  for (const table of tables) visit(table);
  return nodes.filter((node) => kept.has(node));
}

/**
 * For each group of sorted nodes the scratch that nothing reads once it is built, readers before what they read. Who reads a view
 * reads what the view is made of. A view that stays cannot rest on scratch: a programming error, which throws.
 */
export function unreadAfter(
  groups: readonly (readonly Node[])[],
  scratch: ReadonlySet<string>,
): readonly (readonly { readonly kind: "table" | "view"; readonly table: string }[])[] {
  const made = new Map<string, Node>();
  const last = new Map<string, number>();
  const use = (table: string, group: number): void => {
    const producer = made.get(table);
    if (producer === undefined) return;
    last.set(table, group);
    if (producer.kind === "view") for (const behind of producer.depends) use(behind, group);
  };
  for (const [group, nodes] of groups.entries()) {
    for (const node of nodes) {
      for (const table of node.depends) {
        if (node.kind === "view" && scratch.has(table) && !scratch.has(node.name))
          throw new Error(`${node.name} is a view of ${table}, which no release holds`);
        use(table, group);
      }
      for (const table of producesOf(node)) {
        made.set(table, node);
        last.set(table, group);
      }
    }
  }
  const kindOf = (table: string) => (made.get(table)?.kind === "view" ? ("view" as const) : ("table" as const));
  const gone = [...made.keys()].filter((table) => scratch.has(table)).reverse();
  return groups.map((_, group) =>
    gone.filter((table) => last.get(table) === group).map((table) => ({ kind: kindOf(table), table })),
  );
}

/**
 * One hash a node: its own logic, the parameters that it names with their values, its parents' fingerprints and the
 * engine's version. Equal fingerprints mean equal rows.
 */
export function fingerprint(
  sorted: readonly Node[],
  params: Readonly<Record<string, unknown>>,
  engine: string,
  given: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const byTable = new Map<string, string>(given);
  const byNode = new Map<string, string>();
  for (const node of sorted) {
    const hash = sha256(
      canonicalJson({
        logic: node.kind === "step" ? node.version : node.sql,
        params: Object.fromEntries(node.params.map((name) => [name, params[name] ?? null])),
        parents: [...node.depends].sort().map((table) => byTable.get(table) ?? table),
        engine,
      }),
    );
    byNode.set(node.name, hash);
    for (const table of producesOf(node)) byTable.set(table, hash);
  }
  return byNode;
}
