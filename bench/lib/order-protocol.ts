/** What a run asks of the process in which one subject lives, by name; `close` ends it. */
export type OrderTable<Orders> = {
  readonly [Name in keyof Orders]: { readonly order: object; readonly answer: unknown };
} & {
  readonly close: { readonly order: object; readonly answer: null };
};

export type Order<Orders extends OrderTable<Orders>, Name extends keyof Orders> = Orders[Name]["order"];
export type Answer<Orders extends OrderTable<Orders>, Name extends keyof Orders> = Orders[Name]["answer"];

/** How a subject carries its orders out. */
export type OrderHandlers<Orders extends OrderTable<Orders>> = {
  readonly [Name in keyof Orders]: (order: Orders[Name]["order"]) => Promise<Orders[Name]["answer"]>;
};

export interface OrderMessage {
  readonly id: number;
  readonly name: string;
  readonly order: object;
}

export type OrderProcessMessage<Ready> =
  | { readonly kind: "ready"; readonly ready: Ready }
  | { readonly kind: "answer"; readonly id: number; readonly answer: unknown }
  | { readonly kind: "failure"; readonly id: number | null; readonly text: string }
  | { readonly kind: "progress"; readonly text: string };
