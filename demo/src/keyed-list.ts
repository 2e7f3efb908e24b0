/**
 * Keeps a list of elements in step with rows: one element a row, updated in place, so that focus and half-typed text survive a change
 * that came from another device. It does not know what a row looks like. The views call it with each result of a watch.
 */

/** The element of a row, and how to show a newer state of the row in it. */
export interface RowView<Row> {
  readonly node: HTMLElement;
  update(row: Row): void;
}

/** A list under one parent element; rows have an `id`. */
export class KeyedList<Row extends { readonly id: string }> {
  readonly #parent: HTMLElement;
  readonly #create: (row: Row) => RowView<Row>;
  readonly #views = new Map<string, RowView<Row> & { shown: string }>();
  #first = true;

  constructor(parent: HTMLElement, create: (row: Row) => RowView<Row>) {
    this.#parent = parent;
    this.#create = create;
  }

  /** Shows exactly these rows in this order. Rows that are new or changed since the last time light up for a moment. */
  show(rows: readonly Row[]): void {
    const kept = new Set(rows.map((row) => row.id));
    for (const [id, view] of this.#views) {
      if (!kept.has(id)) this.#remove(id, view.node);
    }
    rows.forEach((row, index) => this.#place(this.#shown(row), index));
    this.#first = false;
  }

  #shown(row: Row): HTMLElement {
    const state = JSON.stringify(row);
    const view = this.#views.get(row.id) ?? this.#added(row);
    if (view.shown !== state) {
      view.update(row);
      view.shown = state;
      if (!this.#first) lightUp(view.node);
    }
    return view.node;
  }

  #added(row: Row): RowView<Row> & { shown: string } {
    const { node, update } = this.#create(row);
    const view = { node, update, shown: '' };
    this.#views.set(row.id, view);
    return view;
  }

  /** Moves an element only when it is not where it belongs, because moving takes the focus away. */
  #place(node: HTMLElement, index: number): void {
    const there = this.#parent.children[index];
    if (there !== node) this.#parent.insertBefore(node, there ?? null);
  }

  #remove(id: string, node: HTMLElement): void {
    this.#views.delete(id);
    node.remove();
  }
}

function lightUp(node: HTMLElement): void {
  node.classList.remove('is-fresh');
  void node.offsetWidth; // a style flush, without which the animation would not start again
  node.classList.add('is-fresh');
}
