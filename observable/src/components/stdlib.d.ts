declare module "observablehq:stdlib" {
  /** A file of the site, named from the module that asks for it. */
  export function FileAttachment(name: string): { json(): Promise<unknown>; arrayBuffer(): Promise<ArrayBuffer> };
}
