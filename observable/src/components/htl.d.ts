declare module "htl" {
  /** Text stays text: strings become text nodes or attribute values, never markup. */
  export function html(strings: TemplateStringsArray, ...values: readonly unknown[]): Node;
  export function svg(strings: TemplateStringsArray, ...values: readonly unknown[]): Node;
}
