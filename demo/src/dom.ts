/**
 * The few helpers with which the views build their elements. No templates, no inline styles or handlers: the page's CSP forbids them.
 * It does not know the app. Every view calls it.
 */

type Attribute = string | number | boolean | undefined;
type Handlers = { [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void };
type Child = Node | string | undefined;

/** Attributes by name (true is an empty one, false and undefined none), and listeners under `on`. */
export interface Properties {
  readonly on?: Handlers;
  readonly [attribute: string]: Attribute | Handlers;
}

/** An element with attributes, listeners and children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K, properties: Properties = {}, ...children: Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'object') listen(node, value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.filter((child) => child !== undefined));
  return node;
}

function listen(node: HTMLElement, handlers: Handlers): void {
  for (const [type, handler] of Object.entries(handlers)) node.addEventListener(type, handler as EventListener);
}

/** Sets the text only where it differs, so that nothing is announced or repainted twice. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/** An element of the page's own document. Its absence is a mistake of ours. */
export function byId(id: string): HTMLElement {
  const node = document.getElementById(id);
  if (!node) throw new Error(`the page has no element #${id}`);
  return node;
}

let lastId = 0;

/** A new id for joining a label or a list to its control. */
export function newId(prefix: string): string {
  lastId += 1;
  return `${prefix}-${lastId}`;
}
